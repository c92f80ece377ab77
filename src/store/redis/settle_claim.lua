-- KEYS: a value's. ARGV: 'fill' or 'write', the claim's name, 'renewed' or 'value' or 'nothing', the time in ms (0 for no end), how a frame begins, the value.
-- Answers 1 if that came about.

local purpose, id, fate, time, magic = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local FILLING, WRITING, NOBODY = '\1\0\0\0', '\2\0\0\0', string.rep('\0', 16)
local value = generation(KEYS[1])
local kind, name = '', ''
if value and string.sub(value, 1, 4) == magic then kind, name = string.sub(value, 5, 8), string.sub(value, 9, 24) end
local ours = name == id and (kind == FILLING or kind == WRITING)

if fate == 'renewed' then
    -- That of several writers is kept by each of them.
    if ours or purpose == 'write' and kind == WRITING and name == NOBODY then return redis.call('PEXPIRE', KEYS[1], time) end
    return 0
end
if ours then
    if fate == 'nothing' then return redis.call('DEL', KEYS[1]) end
    if time > 0 then redis.call('SET', KEYS[1], ARGV[6], 'PX', time) else redis.call('SET', KEYS[1], ARGV[6]) end
    return 1
end
-- A reader whose claim is gone: what he read may have been overwritten.
if purpose == 'fill' then return 0 end
if kind ~= WRITING then
    -- The claim was deleted, and whoever read since may have read too early.
    redis.call('DEL', KEYS[1])
    return 0
end
local writers, left = tonumber(string.sub(value, 25)) or 1, redis.call('PTTL', KEYS[1])
-- Of several this is one; another's alone overlapped with ours, and must not store what it wrote.
if name == NOBODY then writers = writers - 1 end
if writers < 1 or left < 1 then
    redis.call('DEL', KEYS[1])
else
    redis.call('SET', KEYS[1], magic .. WRITING .. NOBODY .. string.format('%d', writers), 'PX', left)
end
return 0
