-- KEYS: a value's. ARGV: 'fill' or 'write', the claim's name, its time in ms, the name of the framed value that may be overwritten (or none), how a frame begins.
-- Answers 'claimed', or 'there' and what is there. Claims: the beginning, the kind, three zeros, the name, and of writers how many there are.

local purpose, id, time, except, magic = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local FILLING, WRITING, NOBODY = '\1\0\0\0', '\2\0\0\0', string.rep('\0', 16)
local value = generation(KEYS[1])
local kind, name = '', ''
if value and string.sub(value, 1, 4) == magic then kind, name = string.sub(value, 5, 8), string.sub(value, 9, 24) end

if purpose == 'write' then
    local writers = 0
    if kind == WRITING and name ~= id then writers = tonumber(string.sub(value, 25)) or 1 end
    -- Of several nobody knows whose write comes last.
    local holder = writers > 0 and NOBODY or id
    redis.call('SET', KEYS[1], magic .. WRITING .. holder .. string.format('%d', writers + 1), 'PX', time)
    return { 'claimed' }
end
-- One's own stands where the request was repeated: its first answer was lost with the connection.
if not value or kind == FILLING and name == id or name ~= '' and name == except then
    redis.call('SET', KEYS[1], magic .. FILLING .. id, 'PX', time)
    return { 'claimed' }
end
return { 'there', value }
