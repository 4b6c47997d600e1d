-- Forgetting. The caller has read which samples, of which revisions, a task holds, and passes
-- their blobs; if that is no longer so, it is told AGAIN and nothing is done. A task has at most
-- 100 samples. These delete only, and may therefore run in a Redis that is full.

-- The bytes of the samples, or nil if they are not those of args (pairs of id and revision).
local function samples_size(samples, args, first)
    local size = 0

    if redis.call('HLEN', samples) ~= (#args - first + 1) / 2 then return nil end
    for i = first, #args, 2 do
        local held = sample_read(samples, args[i])
        if not held or held.revision ~= tonumber(args[i + 1]) then return nil end
        size = size + held.size
    end
    return size
end

local function unlink_from(keys, first)
    for i = first, #keys do redis.call('UNLINK', keys[i]) end
end

-- KEYS tasks ended stored bytes index task samples log seen ledger gone folded blob...
-- ARGV id cutoff_ms sample_id revision ...
local function forget(keys, args)
    local ended = redis.call('ZSCORE', keys[2], args[1])
    local size = samples_size(keys[7], args, 3)
    local task = redis.call('HMGET', keys[6], 'state', 'interface')

    if not ended or tonumber(ended) > tonumber(args[2]) then return 'NO' end
    if not size then return 'AGAIN' end
    redis.call('DECRBY', keys[4], int(size))
    for i = 1, 3 do redis.call('ZREM', keys[i], args[1]) end
    if LETTERS[task[1]] then index_remove(keys[5], args[1], task[1], task[2]) end
    unlink_from(keys, 6)
    return 'DONE'
end

-- KEYS stored bytes task log samples blob...  ARGV id sample_id revision ...
local function shed(keys, args)
    local size = samples_size(keys[5], args, 2)

    if not size then return 'AGAIN' end
    redis.call('DECRBY', keys[2], int(size))
    redis.call('ZREM', keys[1], args[1])
    unlink_from(keys, 5)
    log_own(keys[3], keys[4], now_ms(), EVENT.DROPPED,
            { count = (#args - 1) / 2, detail = 'samples removed: the application is over its '
                                                .. 'byte budget, and this task was the oldest' })
    return 'DONE'
end

-- Takes an application off the list of all, unless it got a task since cutoff_ms. The version
-- stays: should the application come back, it must not count from where others once knew it.
-- KEYS applications  ARGV application cutoff_ms
local function retire(keys, args)
    local since = redis.call('ZSCORE', keys[1], args[1])

    if since and tonumber(since) <= tonumber(args[2]) then
        redis.call('ZREM', keys[1], args[1])
    end
    return 'DONE'
end

export('forget', forget, { 'allow-oom' })
export('shed', shed, { 'allow-oom' })
export('retire', retire, { 'allow-oom' })
