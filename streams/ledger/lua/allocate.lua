-- Store one allocation unless a newer or the same shift was already answered.
-- KEYS: ledger, allocation sequence.  ARGV: sequence of the shift, payload = list of commands.
-- Answers: BROKEN, script | LOST | STALE, stored sequence | OK
local ledger = redis.call('HMGET', KEYS[1], 'id', 'writing')
if ledger[2] and ledger[2] ~= '' then
  return {'BROKEN', ledger[2]}
end
if not ledger[1] then
  return {'LOST'}
end
local stored = redis.call('GET', KEYS[2])
if stored and tonumber(stored) >= tonumber(ARGV[1]) then
  return {'STALE', stored}
end
local writes = cmsgpack.unpack(ARGV[2])
-- ------------------------------------------------------------------------------------------------------------------
redis.call('HSET', KEYS[1], 'writing', 'allocate')
for _, command in ipairs(writes) do
  redis.call(unpack(command))
end
redis.call('SET', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[1], 'writing', '')
return {'OK'}
