-- Commit one partition batch: counts, users, ids and the source offset, all or nothing. Every check is above the
-- line; below it only writes that cannot fail, so an error there is fatal and never retried: the mark `writing`, set
-- before the first write and cleared by the last, stays and every later script answers BROKEN.
-- KEYS: ledger, partition, ids, totals.  ARGV: generation, claim, start, end, prefix, max open cells, payload, nonce
-- of the claiming process, number of the partition. What a batch without records knows nothing of is not in its payload, and stays.
-- Answers: OK | ALREADY | FENCED | REWOUND next | AHEAD next | LOST partitions known | FULL what |
-- BROKEN script
local generation, claim, prefix = ARGV[1], ARGV[2], ARGV[5]
local first, last = tonumber(ARGV[3]), tonumber(ARGV[4])
local ledger = redis.call('HMGET', KEYS[1], 'id', 'generation', 'open', 'open_cells', 'writing',
  'partitions')
local partition = redis.call('HMGET', KEYS[2], 'claim', 'next', 'claim_nonce')
if ledger[5] and ledger[5] ~= '' then
  return {'BROKEN', ledger[5]}
end
if not ledger[1] or not ledger[3] or not partition[2] then
  return {'LOST', ledger[1] and ledger[6] or ''}
end
if ledger[2] ~= generation or partition[1] ~= claim or partition[3] ~= ARGV[8] then
  return {'FENCED'}
end
local next_offset = tonumber(partition[2])
if next_offset == last then
  return {'ALREADY'}
end
if next_offset < first then
  return {'REWOUND', partition[2]}
end
if next_offset > first then
  return {'AHEAD', partition[2]}
end
local step = prefix .. 'step:' .. ledger[3]
-- What one step can take was measured by the lease holder: a step must not outlast its lease.
if redis.call('HLEN', step .. ':counts') > math.min(tonumber(ARGV[6]), tonumber(ledger[4] or ARGV[6])) then
  return {'FULL', 'open step'}
end
local payload = cmsgpack.unpack(ARGV[7])
-- ------------------------------------------------------------------------------------------------------------------
redis.call('HSET', KEYS[1], 'writing', 'commit')
for field, delta in pairs(payload.counts) do
  redis.call('HINCRBY', step .. ':counts', field, delta)
end
for bucket, hashes in pairs(payload.users) do
  local key = step .. ':users:' .. bucket
  for at = 1, #hashes, 1000 do
    redis.call('PFADD', key, unpack(hashes, at, math.min(at + 999, #hashes)))
  end
  redis.call('SADD', step .. ':users', bucket)
end
for market, rows in pairs(payload.excerpts) do
  local known = redis.call('HGET', step .. ':excerpts', market)
  for _, row in ipairs(known and cmsgpack.unpack(known) or {}) do
    rows[#rows + 1] = row
  end
  table.sort(rows, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end)
  local chosen, quoted = {}, {}
  for _, row in ipairs(rows) do -- one per user: see excerpt_order.py
    local speaker = row[1] >= 2 ^ 51 and row[1] % 2 ^ 24 or 0
    if #chosen < 3 and not quoted[speaker] then
      chosen[#chosen + 1] = row
      quoted[speaker] = speaker > 0 or nil
    end
  end
  redis.call('HSET', step .. ':excerpts', market, cmsgpack.pack(chosen))
end
for field, delta in pairs(payload.totals) do
  redis.call('HINCRBY', KEYS[4], field, delta)
end
if payload.forget > 0 then
  redis.call('LTRIM', KEYS[3], payload.forget, -1)
end
if #payload.ids > 0 then
  redis.call('RPUSH', KEYS[3], payload.ids)
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local fields = {'next', ARGV[4]}
for _, name in ipairs({'newest', 'rose', 'seen'}) do
  if payload[name] then -- never ahead of this clock, whatever clock a producer has
    fields[#fields + 1] = name
    fields[#fields + 1] = string.format('%.0f', math.min(payload[name], now))
  end
end
for _, name in ipairs({'last_offset', 'last_timestamp', 'last_checksum', 'recent'}) do
  if payload[name] then
    fields[#fields + 1] = name
    fields[#fields + 1] = payload[name]
  end
end
redis.call('HSET', KEYS[2], unpack(fields))
redis.call('HSET', prefix .. 'positions', ARGV[9], ARGV[4]) -- for readers, who do not see the rest of a partition
redis.call('HSET', KEYS[1], 'writing', '')
return {'OK'}
