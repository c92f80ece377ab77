-- KEYS[1] a stream; ARGV its bound, the number of words of an entry, and the words of the entries.

local most, words = tonumber(ARGV[1]), tonumber(ARGV[2])
if redis.call('XLEN', KEYS[1]) + (#ARGV - 2) / words > most then return 0 end
for at = 3, #ARGV, words do
    redis.call('XADD', KEYS[1], '*', unpack(ARGV, at, at + words - 1))
end
return 1
