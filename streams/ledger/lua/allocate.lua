-- Store one allocation unless a newer or the same shift was already answered.
-- KEYS: ledger, allocation sequence.  ARGV: sequence of the shift, payload = list of commands.
-- Answers: LOST | STALE, stored sequence | OK
if redis.call('HEXISTS', KEYS[1], 'id') == 0 then
  return {'LOST'}
end
local stored = redis.call('GET', KEYS[2])
if stored and tonumber(stored) >= tonumber(ARGV[1]) then
  return {'STALE', stored}
end
local writes = cmsgpack.unpack(ARGV[2])
-- ------------------------------------------------------------------------------------------------------------------
for _, command in ipairs(writes) do
  redis.call(unpack(command))
end
redis.call('SET', KEYS[2], ARGV[1])
return {'OK'}
