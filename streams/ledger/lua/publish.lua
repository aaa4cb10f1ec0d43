-- Publish one roll-up step: every write of it at once, under the lease number, exactly once.
-- KEYS: ledger.  ARGV: prefix, lease number, step, payload = {writes = list of commands, users = step's user buckets},
-- nonce of the lease holder.
-- Answers: BROKEN, script | LOST | FENCED | ALREADY | UNMERGED (Redis went back to before the users were merged) | OK
local ledger = redis.call('HMGET', KEYS[1], 'id', 'lease_number', 'open', 'published', 'lease_nonce', 'writing',
  'merged')
if ledger[6] and ledger[6] ~= '' then
  return {'BROKEN', ledger[6]}
end
if not ledger[1] then
  return {'LOST'}
end
if ledger[2] ~= ARGV[2] or ledger[5] ~= ARGV[5] then
  return {'FENCED'}
end
local step, published = tonumber(ARGV[3]), tonumber(ledger[4])
if published >= step then
  return {'ALREADY'}
end
if published + 1 ~= step or tonumber(ledger[3]) ~= step + 1 then
  return {'FENCED'}
end
local payload = cmsgpack.unpack(ARGV[4])
if #payload.users > 0 and ledger[7] ~= ARGV[3] then
  return {'UNMERGED'}
end
-- ------------------------------------------------------------------------------------------------------------------
redis.call('HSET', KEYS[1], 'writing', 'publish')
for _, command in ipairs(payload.writes) do
  redis.call(unpack(command))
end
local base = ARGV[1] .. 'step:' .. ARGV[3]
for _, bucket in ipairs(payload.users) do
  redis.call('UNLINK', base .. ':users:' .. bucket)
end
redis.call('UNLINK', base .. ':counts', base .. ':users', base .. ':excerpts', base .. ':cut')
redis.call('HSET', KEYS[1], 'published', ARGV[3], 'writing', '')
return {'OK'}
