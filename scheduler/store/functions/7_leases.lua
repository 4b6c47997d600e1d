-- Leases: which scheduler does what one of them should do. Held by the name of a process for a time;
-- taken and renewed by the same call. What is done under a lease must be right also if two do it:
-- one that stood still goes on for a moment after its time is over.

-- KEYS lease  ARGV holder lasts_ms
local function lease(keys, args)
    local holder = redis.call('GET', keys[1])

    if holder and holder ~= args[1] then return 0 end
    redis.call('SET', keys[1], args[1], 'PX', args[2])
    return 1
end

export('lease', lease, { 'allow-oom' })
