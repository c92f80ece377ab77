-- ARGV: this server's identity, the lifetime of a generation in ms, the guard's lease in ms (zero without a guard), a fresh generation for each tag.
-- Answers, for each tag: 'standing' and the generation, or 'fenced', or 'lapsed' and the writes in the fence.

local identity, lifetime, guard, time = ARGV[1], ARGV[2], tonumber(ARGV[3]), now()
local answers = {}
for i = 1, #KEYS, 2 do
    local gen, fence = KEYS[i], KEYS[i + 1]
    local value = generation(gen)
    if guard > 0 and not whole(fence, identity, guard, time) then
        answers[#answers + 1] = { 'fenced' }
    elseif standing(fence) > 0 then
        local last = redis.call('ZREVRANGE', fence, 0, 0, 'WITHSCORES')
        if tonumber(last[2]) > time then
            answers[#answers + 1] = { 'fenced' }
        else
            local ids = redis.call('ZRANGEBYSCORE', fence, 0, '+inf')
            table.insert(ids, 1, 'lapsed')
            answers[#answers + 1] = ids
        end
    elseif value == FENCED then
        -- The fence was lost, and nobody knows who stood in it: wait for the marker to expire, or for a renewal.
        answers[#answers + 1] = { 'fenced' }
    elseif value and #value == 24 and string.sub(value, 1, 8) == identity then
        answers[#answers + 1] = { 'standing', value }
    else
        local fresh = ARGV[3 + (i + 1) / 2]
        redis.call('SET', gen, fresh, 'PX', lifetime)
        answers[#answers + 1] = { 'standing', fresh }
    end
end
return answers
