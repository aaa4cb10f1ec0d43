-- Claim a partition: raises its claim number, so that every earlier claimant is fenced.
-- KEYS: ledger, partition.  ARGV: nonce of the claiming process, newest format it knows, prefix,
-- number of the partition.
-- Answers: BROKEN, script | LOST, partitions known | NEWER, format | OLDER, format | OK, claim, next, generation, last_offset, last_timestamp,
-- last_checksum, newest, rose, seen, recent, now in epoch ms
local ledger = redis.call('HMGET', KEYS[1], 'id', 'generation', 'format', 'writing', 'partitions')
local partition = redis.call('HMGET', KEYS[2], 'claim', 'next', 'last_offset', 'last_timestamp', 'last_checksum',
  'newest', 'rose', 'seen', 'recent')
if ledger[4] and ledger[4] ~= '' then
  return {'BROKEN', ledger[4]}
end
if not ledger[1] or not ledger[2] or not partition[2] then
  return {'LOST', ledger[1] and ledger[5] or ''}
end
local format = tonumber(ledger[3] or '1')
if format ~= tonumber(ARGV[2]) then
  return {format > tonumber(ARGV[2]) and 'NEWER' or 'OLDER', format}
end
-- Never below the clock: a Redis that was restored to an older state must not hand out a number twice.
local time = redis.call('TIME')
local claim = math.max(tonumber(partition[1] or '0') + 1, time[1] * 1000 + math.floor(time[2] / 1000))
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
claim = string.format('%.0f', claim)
redis.call('HSET', KEYS[2], 'claim', claim, 'claim_nonce', ARGV[1])
redis.call('HSET', ARGV[3] .. 'positions', ARGV[4], partition[2]) -- what an older version did not write
return {'OK', claim, partition[2], ledger[2], partition[3], partition[4], partition[5], partition[6], partition[7],
  partition[8], partition[9], now}
