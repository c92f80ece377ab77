-- One tag. ARGV: the marker's least lifetime in ms, the ids of writes that are proven over.
-- An id that was renewed meanwhile belongs to a live write: it stays.

local gen, fence, time = KEYS[1], KEYS[2], now()
if standing(fence) > 0 then
    for i = 2, #ARGV do
        local deadline = redis.call('ZSCORE', fence, ARGV[i])
        if deadline and tonumber(deadline) <= time then redis.call('ZREM', fence, ARGV[i]) end
    end
end
settle(gen, fence, ARGV[1])
return 1
