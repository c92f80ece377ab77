-- ARGV: the write's id, its lease in ms, the marker's lifetime in ms, the guard's lease in ms (zero without a guard), this server's identity. Also the renewal: whatever was lost is there again.
-- Writes whose leases ran out stay in the fence: only a proof that they are over removes them. For the same reason the fence never expires.

local id, lease, marker, guard, identity, time = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), ARGV[5], now()
local deadline = time + lease
for i = 1, #KEYS, 2 do
    local gen, fence = KEYS[i], KEYS[i + 1]
    local added = redis.pcall('ZADD', fence, deadline, id)
    if type(added) ~= 'number' then
        if string.find(added.err, 'WRONGTYPE', 1, true) then redis.call('DEL', fence) end
        redis.call('ZADD', fence, deadline, id)
    end
    if guard > 0 then whole(fence, identity, guard, time) end
    redis.call('SET', gen, FENCED, 'PX', marker)
end
return 1
