-- One key, the fence. ARGV: the write's id, its lease in ms. What `begin.lua` does to the fence, for a slot that is on its way to another server.

local fence, id, deadline = KEYS[1], ARGV[1], now() + tonumber(ARGV[2])
local added = redis.pcall('ZADD', fence, deadline, id)
if type(added) ~= 'number' then
    if string.find(added.err, 'WRONGTYPE', 1, true) then redis.call('DEL', fence) end
    redis.call('ZADD', fence, deadline, id)
end
return 1
