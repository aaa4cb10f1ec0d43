-- Close the open step, or hand out again the one that was cut but not published: the same step, the same data.
-- KEYS: ledger.  ARGV: prefix, lease number, force (cut even when nothing is new).
-- Answers: BROKEN, script | LOST | FENCED | NOTHING | OK, step, now, counts, user buckets, their HyperLogLogs, excerpts
local ledger = redis.call('HMGET', KEYS[1], 'id', 'lease_number', 'open', 'published', 'partitions', 'writing')
if ledger[6] and ledger[6] ~= '' then
  return {'BROKEN', ledger[6]}
end
if not ledger[1] then
  return {'LOST'}
end
if ledger[2] ~= ARGV[2] then
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
  local cut = {}
  for number = 0, tonumber(ledger[5]) - 1 do
    local entry = redis.call('HMGET', ARGV[1] .. 'partition:' .. number, 'next', 'newest', 'committed_at',
      'last_timestamp', 'last_checksum', 'began')
    for at = 1, 6 do
      entry[at] = entry[at] or ''
    end
    cut[#cut + 1] = entry
  end
  redis.call('HSET', KEYS[1], 'writing', 'cut')
  redis.call('SET', base .. ':cut', cmsgpack.pack({
    now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), partitions = cut,
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
