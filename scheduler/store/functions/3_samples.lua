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

-- What samples that are taken together change of their task is written once for all of them.
local function tally_make()
    return { samples = 0, size = 0, log = {} }
end

local function tally_write(keys, task, tally)
    if tally.samples > 0 then redis.call('HINCRBY', keys.task, 'samples', tally.samples) end
    if tally.size ~= 0 then redis.call('INCRBY', keys.bytes, int(tally.size)) end
    log_append_all(keys.task, keys.log, LOG_EVENTS_MAX, tally.log)
    tally.samples, tally.size, tally.log = 0, 0, {}
end

-- Its bytes are with the application, and are kept from now on; or, in a Cluster, somewhere else.
local function sample_store(keys, sample, order)
    if sample.blob then redis.call('PERSIST', sample.blob) end
    redis.call('HSET', keys.samples, sample.id,
               table.concat({ int(order), int(sample.revision), int(sample.size), sample.summary },
                            ' '))
end

local function sample_add(keys, id, task, sample, now, tally)
    task.samples = task.samples + 1
    sample_store(keys, sample, task.samples)
    tally.samples, tally.size = tally.samples + 1, tally.size + sample.size
    tally.log[#tally.log + 1] = log_record(now, EVENT.SAMPLED, {
        incarnation = sample.incarnation, instance = sample.instance, detail = sample.id })
    if task.state == 'ACTIVE' and task.samples >= task.cap then
        tally_write(keys, task, tally)
        finish(keys, id, task, 'FILLED', now, now, EVENT.FILLED)
    elseif is_final(task.state) then
        redis.call('ZADD', keys.stored, int(task.ended), id)
    end
end

local function sample_replace(keys, sample, held, tally)
    sample_store(keys, sample, held.order)
    if sample.old_blob then redis.call('UNLINK', sample.old_blob) end
    tally.size = tally.size + sample.size - held.size
end

-- The decision on one sample of a task that is settled (nil: there is none). Returns the verdict,
-- and the revision that is held, or 0.
local function sample_decide(keys, id, task, sample, now, tally)
    local held = task and sample_read(keys.samples, sample.id)
    local revision = held and held.revision or 0

    if held and sample.revision <= held.revision then
        if sample.blob and sample.revision < held.revision then redis.call('UNLINK', sample.blob) end
        return 'KNOWN', revision
    end

    local refusal = not task and 'NO_TASK' or task.state == 'CANCELLED' and 'NO_TASK'
        or not held and refuse_sample(task, now)
    if refusal then
        if sample.blob then redis.call('UNLINK', sample.blob) end -- of a revision that nobody holds
        if refusal == 'OVER_CAP' then log_over_cap(keys, now, sample) end
        return refusal, revision
    end

    if held and held.revision ~= sample.old_revision then return 'HOLDS', revision end
    if sample.blob then sample.size = redis.call('STRLEN', sample.blob) end
    if sample.size == 0 then return 'STAGE', revision end
    if held then
        sample_replace(keys, sample, held, tally)
        return 'REPLACED', revision
    end
    sample_add(keys, id, task, sample, now, tally)
    return 'ACCEPTED', revision
end

local function commit_keys(argv_keys)
    local keys = move_keys(argv_keys)

    keys.samples, keys.seen, keys.bytes = argv_keys[9], argv_keys[10], argv_keys[11]
    return keys
end

local function sample_of(keys, key, args, arg)
    return { id = args[arg], revision = tonumber(args[arg + 1]),
             old_revision = tonumber(args[arg + 2]), summary = args[arg + 3],
             incarnation = args[arg + 4], instance = args[arg + 5],
             blob = keys[key], old_blob = keys[key + 1] }
end

-- Decides on samples of one task, in their order. Gives back COMMITTED version now fields, then of
-- each sample the verdict and the revision that is held, or was replaced; 0: none.
local function decide_all(keys, id, samples)
    local now = now_ms()
    local task, tally, verdicts = settle_task(keys, id, now), tally_make(), {}

    for i, sample in ipairs(samples) do
        local verdict, held = sample_decide(keys, id, task, sample, now, tally)
        verdicts[2 * i - 1], verdicts[2 * i] = verdict, int(held)
    end
    tally_write(keys, task, tally)
    local result = answer('COMMITTED', keys.version, now, keys.task)
    for i, word in ipairs(verdicts) do result[4 + i] = word end
    return result
end

-- KEYS of move_keys(), samples seen bytes, then blob old_blob of each sample
-- ARGV task_id, then sample_id revision old_revision summary incarnation instance of each
--
-- At most 16 samples. old_blob is that of old_revision, which must be the revision that is held;
-- HOLDS tells the caller which one that is. STAGE: the bytes are not there.
local function commit_all(keys, args)
    local samples = {}

    for i = 0, (#args - 1) / 6 - 1 do
        samples[i + 1] = sample_of(keys, 12 + 2 * i, args, 2 + 6 * i)
    end
    return decide_all(commit_keys(keys), args[1], samples)
end

-- KEYS of move_keys(), samples seen bytes blob old_blob
-- ARGV task_id sample_id revision old_revision summary incarnation instance
--
-- One sample, for schedulers of before commit_all(), and in a Cluster: there the bytes have another
-- slot, so blob and old_blob are not given, but their size is, an eighth argument. Whoever calls has
-- staged them, and keeps or deletes them by what is answered. HOLDS: the revision stands in the
-- place of the version. The fifth value says whether an id that was refused is held, and whether of
-- a KNOWN sample this revision is.
local function commit(keys, args)
    local sample = sample_of(keys, 12, args, 2)
    sample.size = tonumber(args[8])
    local result = decide_all(commit_keys(keys), args[1], { sample })
    local verdict, held = result[5], tonumber(result[6])

    if verdict == 'HOLDS' or verdict == 'STAGE' then
        return { verdict, result[6], result[3], {} }
    end
    local is_held = held > 0 and (verdict ~= 'KNOWN' or held == sample.revision)
    return { verdict, result[2], result[3], result[4], is_held and '1' or '0' }
end

export('commit', commit)
export('commit_all', commit_all)
