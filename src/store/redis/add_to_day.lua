-- Adds to the numbers of a day, once, however often the batch arrives.
-- KEYS: the day's hash, then the receipt of whoever sends (sql-days:2026-11-22, sql-days:2026-11-22:<writer>)
-- ARGV: the hash's life in milliseconds, the receipt's, the batch's number, how many fields a hash may have, then a field and what is added to it, ...
local seen = redis.call('GET', KEYS[2])
if seen and tonumber(seen) >= tonumber(ARGV[3]) then
    return 0
end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[2])
local full = redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4])
local failed
for i = 5, #ARGV, 2 do
    local field = ARGV[i]
    local at = full and string.find(field, '@', 1, true)
    if at and redis.call('HEXISTS', KEYS[1], field) == 0 then
        field = string.sub(field, 1, at) .. 'other'
    end
    -- One that somebody else has spoilt, or that can grow no further, does not hold up the others.
    local sum = redis.pcall('HINCRBY', KEYS[1], field, ARGV[i + 1])
    if type(sum) == 'table' and sum.err then
        failed = failed or sum
    end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return failed or 1
