-- KEYS: any. ARGV: the time in ms (0 for no end), how a frame begins. Answers 1 if there is such a key, and it is no claim: that has a time of its own.

local head = redis.pcall('GETRANGE', KEYS[1], 0, 4)
if type(head) == 'string' and string.sub(head, 1, 4) == ARGV[2] and string.sub(head, 5) ~= '\0' then return 0 end
if ARGV[1] ~= '0' then return redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
redis.call('PERSIST', KEYS[1])
return redis.call('EXISTS', KEYS[1])
