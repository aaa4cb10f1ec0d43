-- Create a ledger where there is none.  KEYS: ledger.  ARGV: prefix, id, format, first offset of partition 0, 1, ...
-- Answers: EXISTS | OK
if redis.call('HEXISTS', KEYS[1], 'id') == 1 then
  return {'EXISTS'}
end
for at = 4, #ARGV do
  redis.call('HSET', ARGV[1] .. 'partition:' .. (at - 4), 'claim', 0, 'next', ARGV[at], 'began', ARGV[at])
end
redis.call('HSET', KEYS[1], 'id', ARGV[2], 'generation', ARGV[2], 'format', ARGV[3], 'open', 1, 'published', 0,
  'partitions', #ARGV - 3)
return {'OK'}
