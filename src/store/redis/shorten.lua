-- KEYS: entries. ARGV: an entry's magic, the most time that one may have left (ms), a seed.
-- Answers of how many it cut the time; what is no entry keeps its own. PTTL and PEXPIRE in one script: PEXPIRE's LT came with Redis 7.

local magic, most = ARGV[1], tonumber(ARGV[2])
-- What is cut at once shall not end at once, and be read anew at once: by chance between a quarter and all of it.
math.randomseed(tonumber(ARGV[3]))

local shortened = 0
for i = 1, #KEYS do
    -- Values of other types are somebody else's.
    local head = redis.pcall('GETRANGE', KEYS[i], 0, #magic - 1)
    if type(head) == 'table' and not string.find(head.err, 'WRONGTYPE', 1, true) then head = redis.call('GETRANGE', KEYS[i], 0, #magic - 1) end
    if head == magic then
        local left = redis.call('PTTL', KEYS[i])
        if left > most or left == -1 then
            shortened = shortened + redis.call('PEXPIRE', KEYS[i], math.ceil(most * (0.25 + 0.75 * math.random())))
        end
    end
end
return shortened
