-- Take or renew the roll-up lease.  KEYS: ledger.  ARGV: holder, time to live in ms.
-- Answers: BROKEN, script | LOST | HELD, generation | OK, generation, lease number (raised whenever the holder changes), step published
-- last
local ledger = redis.call('HMGET', KEYS[1], 'id', 'lease_holder', 'lease_until', 'lease_number', 'published',
  'generation', 'writing')
if ledger[7] and ledger[7] ~= '' then
  return {'BROKEN', ledger[7]}
end
if not ledger[1] or not ledger[6] then
  return {'LOST'}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = ledger[2] and tonumber(ledger[3] or '0') > now
if held and ledger[2] ~= ARGV[1] then
  return {'HELD', ledger[6]}
end
local number = ledger[4] or '0'
if not held then
  -- Never below the clock: a Redis that was restored to an older state must not hand out a number twice.
  number = string.format('%.0f', math.max(tonumber(number) + 1, now))
end
redis.call('HSET', KEYS[1], 'lease_holder', ARGV[1], 'lease_until', string.format('%.0f', now + tonumber(ARGV[2])),
  'lease_number', number)
return {'OK', ledger[6], number, ledger[5]}
