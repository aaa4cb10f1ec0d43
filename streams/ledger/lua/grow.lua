-- Add the partitions that the topic was given and the ledger does not know: nothing is counted in them, they begin at 0.
-- All that are missing up to the number asked for are added at once: a cut reads every number below `partitions`. An
-- entry that is missing below it is a loss, and none is made there.
-- KEYS: ledger.  ARGV: prefix, number of partitions from now on.
-- Answers: BROKEN, script | LOST | KNOWN (nothing to add) | OK
local ledger = redis.call('HMGET', KEYS[1], 'id', 'partitions', 'writing')
if ledger[3] and ledger[3] ~= '' then
  return {'BROKEN', ledger[3]}
end
if not ledger[1] then
  return {'LOST'}
end
local known, wanted = tonumber(ledger[2]), tonumber(ARGV[2])
if wanted <= known then
  return {'KNOWN'}
end
-- ------------------------------------------------------------------------------------------------------------------
redis.call('HSET', KEYS[1], 'writing', 'grow')
for number = known, wanted - 1 do
  redis.call('HSET', ARGV[1] .. 'partition:' .. number, 'claim', 0, 'next', 0, 'began', 0)
  redis.call('HSET', ARGV[1] .. 'positions', number, 0)
end
redis.call('HSET', KEYS[1], 'partitions', wanted, 'writing', '')
return {'OK'}
