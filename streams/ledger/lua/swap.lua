-- Put a staged ledger in the place of the one that is there (or was lost): readers and workers see either of the two.
-- KEYS: ledger.  ARGV: prefix, number of the lease seized before ('' = there was no ledger), payload = {old = keys that
-- go, renames = {staged key, key}, commands}.
-- Answers: MOVED (another took the lease, or made a ledger) | OK
-- A broken ledger is no hindrance: this is what repairs it. If it fails itself, it leaves its mark on what is there.
local ledger = redis.call('HMGET', KEYS[1], 'id', 'lease_number', 'open', 'published')
if (ledger[1] and (ledger[2] or '0') or '') ~= ARGV[2] then
  return {'MOVED'}
end
local payload = cmsgpack.unpack(ARGV[3])
-- ------------------------------------------------------------------------------------------------------------------
redis.call('HSET', KEYS[1], 'writing', 'swap')
if ledger[1] then
  for step = tonumber(ledger[4]) + 1, tonumber(ledger[3]) do
    local base = ARGV[1] .. 'step:' .. step
    for _, bucket in ipairs(redis.call('SMEMBERS', base .. ':users')) do
      redis.call('UNLINK', base .. ':users:' .. bucket)
    end
    redis.call('UNLINK', base .. ':counts', base .. ':users', base .. ':excerpts', base .. ':cut')
  end
end
for _, key in ipairs(payload.old) do
  redis.call('UNLINK', key)
end
for _, pair in ipairs(payload.renames) do
  redis.call('RENAME', pair[1], pair[2])
  if pair[2] == KEYS[1] then
    redis.call('HSET', KEYS[1], 'writing', 'swap')
  end
end
for _, command in ipairs(payload.commands) do
  redis.call(unpack(command))
end
redis.call('HSET', KEYS[1], 'writing', '')
return {'OK'}
