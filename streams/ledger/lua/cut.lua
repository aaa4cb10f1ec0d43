-- Close the open step, or hand out again the one that was cut but not published: the same step, the same data.
-- KEYS: ledger.  ARGV: prefix, lease number, force (cut even when nothing is new), nonce of the lease holder, when it
-- asked Kafka (epoch ms on this clock), answer = end of partition 0, 1, ... (-1 = unknown).
-- Answers: BROKEN, script | LOST | FENCED | NOTHING | OK, step, now, counts, user buckets, their HyperLogLogs, excerpts
local ledger = redis.call('HMGET', KEYS[1], 'id', 'lease_number', 'open', 'published', 'partitions',
  'lease_nonce', 'writing')
if ledger[7] and ledger[7] ~= '' then
  return {'BROKEN', ledger[7]}
end
if not ledger[1] then
  return {'LOST'}
end
if ledger[2] ~= ARGV[2] or ledger[6] ~= ARGV[4] then
  return {'FENCED'}
end
local open, published = tonumber(ledger[3]), tonumber(ledger[4])
local step = published + 1
local base = ARGV[1] .. 'step:' .. step
if open == step then
  if ARGV[3] ~= '1' and redis.call('EXISTS', base .. ':counts') == 0 then
    return {'NOTHING'}
  end
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'writing', 'cut')
  local cut, ends = {}, cmsgpack.unpack(ARGV[6])
  for number = 0, tonumber(ledger[5]) - 1 do
    local key = ARGV[1] .. 'partition:' .. number
    local entry = redis.call('HMGET', key, 'next', 'newest', 'rose', 'seen', 'last_offset', 'last_timestamp',
      'last_checksum', 'began')
    for at = 1, 8 do
      entry[at] = entry[at] or ''
    end
    local last = ends[number + 1] or -1
    if last >= 0 and tonumber(entry[1]) >= last then -- all of it is read, as it was when Kafka was asked
      local seen = math.max(tonumber(entry[4]) or 0, tonumber(ARGV[5]))
      entry[4] = string.format('%.0f', seen)
      redis.call('HSET', key, 'seen', entry[4])
    end
    entry[9] = last >= 0 and string.format('%.0f', last) or ''
    cut[#cut + 1] = entry
  end
  redis.call('SET', base .. ':cut', cmsgpack.pack({
    format = 2, now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), partitions = cut,
    totals = redis.call('HGETALL', ARGV[1] .. 'totals')}))
  redis.call('HSET', KEYS[1], 'open', step + 1, 'writing', '')
end
local buckets = redis.call('SMEMBERS', base .. ':users')
table.sort(buckets)
local users = {}
for at, bucket in ipairs(buckets) do
  users[at] = redis.call('GET', base .. ':users:' .. bucket)
end
return {'OK', step, redis.call('GET', base .. ':cut'), redis.call('HGETALL', base .. ':counts'), buckets, users,
  redis.call('HGETALL', base .. ':excerpts')}
