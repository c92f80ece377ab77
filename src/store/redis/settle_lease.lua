-- KEYS: a lease. ARGV: the generations, the holder, what becomes of the lease ('renewed', 'free' or 'alone'), for how long in ms.
-- One that has run out is not brought back: a renewal may come late, after its holder gave it up.

local ours = LEASE .. ARGV[1]
local fate, time = ARGV[3], ARGV[4]
if generation(KEYS[1]) == ours .. ARGV[2] then
    if fate == 'renewed' then
        redis.call('SET', KEYS[1], ours .. ARGV[2], 'PX', time)
    elseif fate == 'alone' then
        redis.call('SET', KEYS[1], ours .. ALONE, 'PX', time)
    else
        redis.call('DEL', KEYS[1])
    end
end
return 1
