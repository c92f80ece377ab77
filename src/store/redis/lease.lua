-- KEYS: an entry, its lease. ARGV: where an entry's header names its generations (counted from zero), these as they must be, the eight bytes behind them that
-- must not be (or none), the holder, the lease's time in ms. Answers 'entry' and the entry, or 'granted', or 'held', or 'alone'.

local at, head, except, holder, time = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5]
-- The beginning alone: an entry of another answer may be large.
local found = redis.pcall('GETRANGE', KEYS[1], at, at + #head + 7)
if type(found) == 'string' and string.sub(found, 1, #head) == head and string.sub(found, #head + 1) ~= except then
    return { 'entry', redis.call('GET', KEYS[1]) }
end
local value = generation(KEYS[2])
local ours = LEASE .. head
if value and string.sub(value, 1, #ours) == ours and value ~= ours .. holder then
    if value == ours .. ALONE then return { 'alone' } end
    return { 'held' }
end
-- Free, ours, or of somebody who reads under other generations: his answer would be none.
redis.call('SET', KEYS[2], ours .. holder, 'PX', time)
return { 'granted' }
