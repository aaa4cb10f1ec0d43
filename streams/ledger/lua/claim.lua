-- Claim a partition: raises its claim number, so that every earlier claimant is fenced.
-- KEYS: ledger, partition.  Answers: BROKEN, script | LOST, partitions known | OK, claim, next, last_timestamp, last_checksum, generation
local ledger = redis.call('HMGET', KEYS[1], 'id', 'generation', 'writing', 'partitions')
local partition = redis.call('HMGET', KEYS[2], 'next', 'last_timestamp', 'last_checksum', 'claim')
if ledger[3] and ledger[3] ~= '' then
  return {'BROKEN', ledger[3]}
end
if not ledger[1] or not ledger[2] or not partition[1] then
  return {'LOST', ledger[1] and ledger[4] or ''}
end
-- Never below the clock: a Redis that was restored to an older state must not hand out a number twice.
local time = redis.call('TIME')
local claim = math.max(tonumber(partition[4] or '0') + 1, time[1] * 1000 + math.floor(time[2] / 1000))
claim = string.format('%.0f', claim)
redis.call('HSET', KEYS[2], 'claim', claim)
return {'OK', claim, partition[1], partition[2], partition[3], ledger[2]}
