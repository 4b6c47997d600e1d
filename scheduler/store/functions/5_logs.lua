-- Events of instances: taken once. An instance sends them in the order of their sequence and
-- resends what was not acknowledged, so the last sequence per incarnation says what is new.

-- KEYS task log seen  ARGV incarnation, then pairs of sequence and record (at most 256 of them)
local function events(keys, args)
    local task, log, seen = keys[1], keys[2], keys[3]
    local last = tonumber(redis.call('HGET', seen, args[1]) or '0')
    local taken = 0

    if redis.call('EXISTS', task) == 0 then return 0 end
    for i = 2, #args, 2 do
        local sequence = tonumber(args[i])
        if sequence > last then
            log_append(task, log, LOG_EVENTS_MAX - LOG_RESERVE, args[i + 1])
            last, taken = sequence, taken + 1
        end
    end
    if taken > 0 then redis.call('HSET', seen, args[1], int(last)) end
    return taken
end

export('events', events)
