-- The cap. A sample is (id, revision); its bytes were staged before, under a key of their own
-- per revision, and die in a minute unless they are taken here.
--
-- A row of `samples` is "order revision size summary".

local ACCEPT_AFTER_END_MS = 120000

local function sample_read(samples, id)
    local row = redis.call('HGET', samples, id)

    if not row then return nil end
    local order, revision, size = string.match(row, '^(%d+) (%d+) (%d+) ')
    return { order = tonumber(order), revision = tonumber(revision), size = tonumber(size) }
end

-- A refusal's line in the log, at most one a second and incarnation, with its count: what comes
-- within the second is added to the line, so that the counts of all lines add up. `seen` holds
-- "when count place" of the latest one; place 0: the log was full.
local function log_over_cap(keys, now, who)
    local field = 'over:' .. who.incarnation
    local held = redis.call('HGET', keys.seen, field)
    local at, count, place = string.match(held or '', '^(%d+) (%d+) (%d+)$')
    local line = { incarnation = who.incarnation, instance = who.instance }

    if at and now - tonumber(at) < 1000 then
        line.count = tonumber(count) + 1
        if place ~= '0' then
            redis.call('LSET', keys.log, tonumber(place) - 1,
                       log_record(tonumber(at), EVENT.OVER_CAP, line))
        end
    else
        at, line.count = int(now), 1
        place = int(log_own(keys.task, keys.log, now, EVENT.OVER_CAP, line))
    end
    redis.call('HSET', keys.seen, field, at .. ' ' .. int(line.count) .. ' ' .. place)
end

-- May a new id take a place? nil, or why not.
local function refuse_sample(task, now)
    if task.state == 'CANCELLED' or task.state == 'SCHEDULED' then return 'NO_TASK' end
    if task.samples >= task.cap then return 'OVER_CAP' end
    if is_final(task.state) and now > task.ended + ACCEPT_AFTER_END_MS then return 'TASK_OVER' end
    return nil
end

-- Its bytes are with the application, and are kept from now on; or, in a Cluster, somewhere else.
local function sample_store(keys, sample, order)
    local size = keys.blob and redis.call('STRLEN', keys.blob) or sample.size

    if keys.blob then redis.call('PERSIST', keys.blob) end
    redis.call('HSET', keys.samples, sample.id,
               table.concat({ int(order), int(sample.revision), int(size), sample.summary }, ' '))
    return size
end

local function sample_add(keys, id, task, sample, now)
    task.samples = redis.call('HINCRBY', keys.task, 'samples', 1)
    redis.call('INCRBY', keys.bytes, sample_store(keys, sample, task.samples))
    log_own(keys.task, keys.log, now, EVENT.SAMPLED,
            { incarnation = sample.incarnation, instance = sample.instance, detail = sample.id })
    if task.state == 'ACTIVE' and task.samples >= task.cap then
        finish(keys, id, task, 'FILLED', now, now, EVENT.FILLED)
    elseif is_final(task.state) then
        redis.call('ZADD', keys.stored, int(task.ended), id)
    end
end

local function sample_replace(keys, sample, held)
    local size = sample_store(keys, sample, held.order)

    if keys.old_blob then redis.call('UNLINK', keys.old_blob) end
    redis.call('INCRBY', keys.bytes, int(size - held.size))
end

-- KEYS of move_keys(), samples seen bytes blob old_blob
-- ARGV task_id sample_id revision old_revision summary incarnation instance
--
-- In a Cluster the bytes have another slot: then blob and old_blob are not given, but their size is,
-- an eighth argument. Whoever calls has staged them, and keeps or deletes them by what is answered;
-- to a KNOWN sample a fifth value says whether the revision is the one that is held.
--
-- old_blob is that of old_revision, which must be the revision that is held; HOLDS tells the
-- caller which one that is (size 0 of the fields but for it). STAGE: the bytes are not there.
local function commit(argv_keys, args)
    local keys, now, id = move_keys(argv_keys), now_ms(), args[1]
    keys.samples, keys.seen, keys.bytes = argv_keys[9], argv_keys[10], argv_keys[11]
    keys.blob, keys.old_blob = argv_keys[12], argv_keys[13]
    local sample = { id = args[2], revision = tonumber(args[3]), summary = args[5],
                     incarnation = args[6], instance = args[7], size = tonumber(args[8]) }
    local task = settle_task(keys, id, now)
    local held = task and sample_read(keys.samples, sample.id)

    if held and sample.revision <= held.revision then
        local is_old = sample.revision < held.revision
        if is_old and keys.blob then redis.call('UNLINK', keys.blob) end
        local result = answer('KNOWN', keys.version, now, keys.task)
        result[5] = is_old and '0' or '1'
        return result
    end

    local refusal = not task and 'NO_TASK' or task.state == 'CANCELLED' and 'NO_TASK'
        or not held and refuse_sample(task, now)
    if refusal then
        if keys.blob then redis.call('UNLINK', keys.blob) end -- of a revision that nobody holds
        if refusal == 'OVER_CAP' then log_over_cap(keys, now, sample) end
        local result = answer(refusal, keys.version, now, keys.task)
        result[5] = held and '1' or '0'
        return result
    end

    if held and held.revision ~= tonumber(args[4]) then
        return { 'HOLDS', int(held.revision), int(now), {} }
    end
    if keys.blob and redis.call('EXISTS', keys.blob) == 0 then return { 'STAGE', '0', int(now), {} } end

    if held then
        sample_replace(keys, sample, held)
        return answer('REPLACED', keys.version, now, keys.task)
    end
    sample_add(keys, id, task, sample, now)
    return answer('ACCEPTED', keys.version, now, keys.task)
end

export('commit', commit)
