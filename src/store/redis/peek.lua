-- KEYS: any. Answers nothing where there is no such key; else the first eight bytes (none of what is no string) and the time left in ms, negative without end.

local kind = redis.call('TYPE', KEYS[1])
kind = type(kind) == 'table' and kind.ok or kind
if kind == 'none' then return {} end
local head = ''
if kind == 'string' then head = redis.call('GETRANGE', KEYS[1], 0, 7) end
return { head, redis.call('PTTL', KEYS[1]) }
