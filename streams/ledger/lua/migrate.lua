-- Bring a ledger of format 1 to format 2: what stream time needs to know of a partition.
-- KEYS: ledger.  ARGV: prefix.  Answers: LOST | OK
local ledger = redis.call('HMGET', KEYS[1], 'id', 'format', 'partitions')
if not ledger[1] then
  return {'LOST'}
end
if ledger[2] then
  return {'OK'} -- another process was quicker
end
-- ------------------------------------------------------------------------------------------------------------------
for number = 0, tonumber(ledger[3]) - 1 do
  local key = ARGV[1] .. 'partition:' .. number
  local committed = redis.call('HGET', key, 'committed_at')
  if committed then -- the nearest that format 1 knew of
    redis.call('HSET', key, 'rose', committed, 'seen', committed)
    redis.call('HDEL', key, 'committed_at')
  end
end
redis.call('HSET', KEYS[1], 'format', 2)
return {'OK'}
