-- Put a staged ledger in the place of the one that is there (or was lost): readers and workers see either of the two.
-- KEYS: ledger.  ARGV: prefix, number of the lease seized before ('' = there was no ledger), payload = {old = keys that
-- go, renames = {staged key, key, seconds it lives: 0 = for ever, nil = as it does}, commands}.
-- Answers: MOVED (another took the lease, or made a ledger) | GONE (a staged key is not there any more) | OK
-- A broken ledger is no hindrance: this is what repairs it. If it fails itself, it leaves its mark on what is there.
local ledger = redis.call('HMGET', KEYS[1], 'id', 'lease_number', 'open', 'published')
if (ledger[1] and (ledger[2] or '0') or '') ~= ARGV[2] then
  return {'MOVED'}
end
local payload = cmsgpack.unpack(ARGV[3])
for _, staged in ipairs(payload.renames) do
  if redis.call('EXISTS', staged[1]) == 0 then
    return {'GONE'}
  end
end
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
for _, staged in ipairs(payload.renames) do
  redis.call('RENAME', staged[1], staged[2])
  if staged[3] == 0 then
    redis.call('PERSIST', staged[2])
  elseif staged[3] then
    redis.call('EXPIRE', staged[2], staged[3])
  end
  if staged[2] == KEYS[1] then
    redis.call('HSET', KEYS[1], 'writing', 'swap')
  end
end
for _, command in ipairs(payload.commands) do
  redis.call(unpack(command))
end
redis.call('HSET', KEYS[1], 'writing', '')
return {'OK'}
