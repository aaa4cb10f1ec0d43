-- Create a ledger where there is none.  KEYS: ledger.  ARGV: prefix, id, format, first offset of partition 0, 1, ...
-- Answers: EXISTS | BROKEN, script | OK
if redis.call('HEXISTS', KEYS[1], 'id') == 1 then
  return {'EXISTS'}
end
local writing = redis.call('HGET', KEYS[1], 'writing')
if writing and writing ~= '' and writing ~= 'init' then -- its own writes are written over: it may simply run again
  return {'BROKEN', writing}
end
redis.call('HSET', KEYS[1], 'writing', 'init')
for at = 4, #ARGV do
  redis.call('HSET', ARGV[1] .. 'partition:' .. (at - 4), 'claim', 0, 'next', ARGV[at], 'began', ARGV[at])
  redis.call('HSET', ARGV[1] .. 'positions', at - 4, ARGV[at])
end
redis.call('HSET', KEYS[1], 'id', ARGV[2], 'generation', ARGV[2], 'format', ARGV[3], 'open', 1, 'published', 0,
  'partitions', #ARGV - 3, 'writing', '')
return {'OK'}
