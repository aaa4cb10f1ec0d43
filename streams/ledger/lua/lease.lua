-- Take or renew the roll-up lease.  KEYS: ledger.  ARGV: holder, time to live in ms, nonce of its process (two processes
-- may have one name), newest format it knows.
-- Answers: BROKEN, script | LOST | NEWER, format | OLDER, format | HELD, generation | OK, generation, lease number (raised whenever the
-- holder changes), step published last, partitions, now in epoch ms
local ledger = redis.call('HMGET', KEYS[1], 'id', 'lease_holder', 'lease_until', 'lease_number', 'published',
  'generation', 'lease_nonce', 'format', 'partitions', 'writing')
if ledger[10] and ledger[10] ~= '' then
  return {'BROKEN', ledger[10]}
end
if not ledger[1] or not ledger[6] then
  return {'LOST'}
end
local format = tonumber(ledger[8] or '1')
if format ~= tonumber(ARGV[4]) then
  return {format > tonumber(ARGV[4]) and 'NEWER' or 'OLDER', format}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = ledger[2] and tonumber(ledger[3] or '0') > now
if held and (ledger[2] ~= ARGV[1] or ledger[7] ~= ARGV[3]) then
  return {'HELD', ledger[6]}
end
local number = ledger[4] or '0'
if not held then
  -- Never below the clock: a Redis that was restored to an older state must not hand out a number twice.
  number = string.format('%.0f', math.max(tonumber(number) + 1, now))
end
redis.call('HSET', KEYS[1], 'lease_holder', ARGV[1], 'lease_until', string.format('%.0f', now + tonumber(ARGV[2])),
  'lease_number', number, 'lease_nonce', ARGV[3])
return {'OK', ledger[6], number, ledger[5], ledger[9], string.format('%.0f', now)}
