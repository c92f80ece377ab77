-- Begins every script. KEYS come in pairs, a tag's generation and its fence.

local FENCED = 'fenced'

-- How a lease begins, and what stands in its holder's place where everybody shall read for himself.
local LEASE, ALONE = 'lease ', 'alone'

local function now()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- How many writes stand in a fence; the guard's member is none, and its score lies below zero. Another program's value at its key is a fence that was lost.
local function standing(fence)
    local count = redis.pcall('ZCOUNT', fence, 0, '+inf')
    if type(count) == 'number' then return count end
    if string.find(count.err, 'WRONGTYPE', 1, true) then return 0 end
    -- Raises the error in the way of this server's version.
    return redis.call('ZCOUNT', fence, 0, '+inf')
end

-- The guard: whether this server has kept this fence for a lease, so that every living write stands in it. If it was lost meanwhile, or comes from another
-- server, nobody knows who stood in it, and the waiting begins anew: by its end the living have renewed.
local function whole(fence, identity, lease, time)
    local member = 'epoch:' .. identity
    local score = redis.pcall('ZSCORE', fence, member)
    if type(score) == 'string' then return -tonumber(score) <= time end
    if type(score) == 'table' and string.find(score.err, 'WRONGTYPE', 1, true) then redis.call('DEL', fence) end
    redis.call('ZREMRANGEBYSCORE', fence, '-inf', '(0')
    redis.call('ZADD', fence, -(time + lease), member)
    return false
end

-- What stands at a generation's key; nil for nothing or a value of another type, which SET will replace.
local function generation(key)
    local value = redis.pcall('GET', key)
    if type(value) == 'string' then return value end
    if type(value) == 'table' and not string.find(value.err, 'WRONGTYPE', 1, true) then return redis.call('GET', key) end
    return nil
end

-- After a write left the fence: the last one takes the generation along, whatever it says, since it may have been created while the fence was lost.
-- Others keep their marker, for at least as long as the last of them has lease left.
local function settle(gen, fence, marker)
    if standing(fence) == 0 then
        redis.call('DEL', gen)
    elseif generation(gen) ~= FENCED then
        local last = redis.call('ZREVRANGE', fence, 0, 0, 'WITHSCORES')
        redis.call('SET', gen, FENCED, 'PX', math.max(4 * (tonumber(last[2]) - now()), tonumber(marker)))
    end
end

