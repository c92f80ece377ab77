-- The last key is the schema's generation, which is the answer. ARGV: the write's id, the marker's least lifetime in ms.

for i = 1, #KEYS - 1, 2 do
    local gen, fence = KEYS[i], KEYS[i + 1]
    if standing(fence) > 0 then redis.call('ZREM', fence, ARGV[1]) end
    settle(gen, fence, ARGV[2])
end
return generation(KEYS[#KEYS])
