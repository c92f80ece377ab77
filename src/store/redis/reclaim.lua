-- KEYS: a generation, then entries. ARGV: this server's identity, an entry's magic, the place of the generation in it (from and to, counted from one).
-- With the token (empty for none) as a fifth, all KEYS are entries: in a cluster the generation of everything is somewhere else than most of them.
-- Unlinks the entries that were read under another generation than the one that stands; answers how many. One script, so that an entry which is
-- refilled just now is judged by what it is when it is unlinked.

local identity, magic, from, to = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local standing_token, first = ARGV[5], 1
if not standing_token then
    standing_token, first = generation(KEYS[1]), 2
    if standing_token and (#standing_token ~= 24 or string.sub(standing_token, 1, 8) ~= identity) then standing_token = nil end
elseif standing_token == '' then
    standing_token = nil
end

local unlinked = 0
for i = first, #KEYS do
    -- Values of other types are somebody else's.
    local head = redis.pcall('GETRANGE', KEYS[i], 0, to - 1)
    if type(head) == 'table' and not string.find(head.err, 'WRONGTYPE', 1, true) then head = redis.call('GETRANGE', KEYS[i], 0, to - 1) end
    if type(head) == 'string' and string.sub(head, 1, #magic) == magic and string.sub(head, from, to) ~= standing_token then
        unlinked = unlinked + redis.call('UNLINK', KEYS[i])
    end
end
return unlinked
