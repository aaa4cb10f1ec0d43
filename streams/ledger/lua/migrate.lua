-- Bring a ledger of format 1 to format 2: what stream time needs to know of a partition.
-- KEYS: ledger.  ARGV: prefix.  Answers: BROKEN, script | LOST | OK
local ledger = redis.call('HMGET', KEYS[1], 'id', 'format', 'partitions', 'writing')
if ledger[4] and ledger[4] ~= '' then
  return {'BROKEN', ledger[4]}
end
if not ledger[1] then
  return {'LOST'}
end
if ledger[2] then
  return {'OK'} -- another process was quicker
end
-- ------------------------------------------------------------------------------------------------------------------
redis.call('HSET', KEYS[1], 'writing', 'migrate')
for number = 0, tonumber(ledger[3]) - 1 do
  local key = ARGV[1] .. 'partition:' .. number
  local committed = redis.call('HGET', key, 'committed_at')
  if committed then -- the nearest that format 1 knew of
    redis.call('HSET', key, 'rose', committed, 'seen', committed)
    redis.call('HDEL', key, 'committed_at')
  end
end
redis.call('HSET', KEYS[1], 'format', 2, 'writing', '')
return {'OK'}
