-- The life of a task.
--
--  SCHEDULED --settle--> ACTIVE --settle--> EXPIRED
--      |                   |-----commit---> FILLED (3_samples.lua)
--      +-------------------+-----cancel---> CANCELLED
--
-- `live` holds every task that is not over, as "STATE start ends interface": what the check for
-- overlap needs, in one key.

local SKEW_MS_MAX = 1000 -- between the creation time in a new id and ours

-- Could one name match both? A trailing '*' makes a prefix.
local function patterns_overlap(left, right)
    local left_prefix = string.match(left, '^(.*)%*$')
    local right_prefix = string.match(right, '^(.*)%*$')

    if not left_prefix and not right_prefix then return left == right end
    if not left_prefix then return string.sub(left, 1, #right_prefix) == right_prefix end
    if not right_prefix then return string.sub(right, 1, #left_prefix) == left_prefix end
    local size = math.min(#left_prefix, #right_prefix)
    return string.sub(left_prefix, 1, size) == string.sub(right_prefix, 1, size)
end

-- The tasks of `live` that run at some time within [starts, ends), but for `id` itself.
local function live_within(live, id, starts, ends)
    local all = redis.call('HGETALL', live) -- at most live_max, see create()
    local found = {}

    for i = 1, #all, 2 do
        local state, from, to, interface = string.match(all[i + 1], '^(%u+) (%d+) (%d+) (.*)$')
        from, to = tonumber(from), tonumber(to)
        if all[i] ~= id and from < ends and starts < to then
            found[#found + 1] = { id = all[i], value = all[i + 1], from = from, to = to,
                                  interface = interface }
        end
    end
    return found
end

local function find_overlap(others, interface)
    local first

    for _, other in ipairs(others) do
        if patterns_overlap(interface, other.interface) and (not first or other.id < first.id) then
            first = other
        end
    end
    return first
end

-- How many of them run at one time, at the most. At one moment, ends come before starts.
local function most_at_once(others)
    local moments, running, most = {}, 0, 0

    for _, other in ipairs(others) do
        moments[#moments + 1] = { at = other.from, by = 1 }
        moments[#moments + 1] = { at = other.to, by = -1 }
    end
    table.sort(moments, function(a, b)
        if a.at ~= b.at then return a.at < b.at end
        return a.by < b.by
    end)
    for _, moment in ipairs(moments) do
        running = running + moment.by
        most = math.max(most, running)
    end
    return most
end

-- nil if [starts, ends) is free for this interface; or the refusal, ready to be given back.
local function refuse(keys, now, wanted)
    local others = live_within(keys.live, wanted.id, wanted.starts, wanted.ends)
    local version = redis.call('GET', keys.version) or '0'
    local overlap = find_overlap(others, wanted.interface)

    if overlap then return { 'OVERLAP', version, int(now), { overlap.id, overlap.value } } end
    -- Only what lies within the wanted time counts: cut each to it.
    for _, other in ipairs(others) do
        other.from = math.max(other.from, wanted.starts)
        other.to = math.min(other.to, wanted.ends)
    end
    if most_at_once(others) >= wanted.active_max then
        return { 'TOO_MANY', version, int(now), {} }
    end
    return nil
end

local function live_put(live, id, state, starts, ends, interface)
    redis.call('HSET', live, id, table.concat({ state, int(starts), int(ends), interface }, ' '))
end

local function by(who)
    return who ~= '' and 'by ' .. who or ''
end

-- KEYS live version tasks task log index indexed
-- ARGV id interface start(0: now) duration_min active_max live_max who, then fields and values
local function create(argv_keys, args)
    local keys = { live = argv_keys[1], version = argv_keys[2], task = argv_keys[4],
                   log = argv_keys[5], index = argv_keys[6], indexed = argv_keys[7] }
    local id, interface, who = args[1], args[2], args[7]
    local created, now = tonumber(string.sub(id, 1, 11), 16), now_ms()

    if redis.call('EXISTS', keys.task) == 1 then -- a call whose answer was lost
        return answer('DONE', keys.version, now, keys.task)
    end
    if math.abs(now - created) > SKEW_MS_MAX then
        return { 'SKEW', '0', int(now), {} }
    end
    now = math.max(now, created)

    -- What began at once began when it was created: so that both can be told from what was ordered
    -- for later, though the id was made a moment before.
    local starts = math.max(tonumber(args[3]), created)
    local wanted = { id = id, interface = interface, starts = starts,
                     ends = starts + tonumber(args[4]) * 60000, active_max = tonumber(args[5]) }
    local refusal = refuse(keys, now, wanted)
    if refusal then return refusal end
    if redis.call('HLEN', keys.live) >= tonumber(args[6]) then
        return { 'TOO_MANY_LIVE', redis.call('GET', keys.version) or '0', int(now), {} }
    end

    local state = starts > now and 'SCHEDULED' or 'ACTIVE'
    redis.call('HSET', keys.task, 'state', state, 'created_ms', int(created),
               'started_ms', state == 'ACTIVE' and int(starts) or '0', 'ended_ms', '0',
               'start_ms', int(starts), 'ends_ms', int(wanted.ends), 'samples', '0',
               unpack(args, 8))
    redis.call('ZADD', argv_keys[3], 0, id)
    index_add(keys.index, id, state, interface)
    live_put(keys.live, id, state, starts, wanted.ends, interface)
    count_version(keys)
    log_own(keys.task, keys.log, now, EVENT.CREATED, { detail = by(who) })
    log_own(keys.task, keys.log, now, state == 'ACTIVE' and EVENT.STARTED or EVENT.SCHEDULED, {})
    return answer('DONE', keys.version, now, keys.task)
end

-- The keys of a task that may move, in the order in which settle, cancel, extend and commit
-- take them.
local function move_keys(keys)
    return { live = keys[1], version = keys[2], ended = keys[3], stored = keys[4],
             task = keys[5], log = keys[6], index = keys[7], indexed = keys[8] }
end

local function task_read(task)
    local values = redis.call('HMGET', task, 'state', 'start_ms', 'ends_ms', 'ended_ms',
                              'interface', 'samples', 'sample_cap', 'duration_min')

    if not values[1] then return nil end
    return { state = values[1], starts = tonumber(values[2]), ends = tonumber(values[3]),
             ended = tonumber(values[4]), interface = values[5], samples = tonumber(values[6]),
             cap = tonumber(values[7]), duration_min = tonumber(values[8]) }
end

local function is_final(state)
    return state ~= 'SCHEDULED' and state ~= 'ACTIVE'
end

-- The one way into a final state.
local function finish(keys, id, task, state, ended, now, event, detail)
    redis.call('HSET', keys.task, 'state', state, 'ended_ms', int(ended))
    index_remove(keys.index, id, task.state, task.interface)
    index_add(keys.index, id, state, task.interface)
    redis.call('HDEL', keys.live, id)
    redis.call('ZADD', keys.ended, int(ended), id)
    if task.samples > 0 then redis.call('ZADD', keys.stored, int(ended), id) end
    count_version(keys)
    log_own(keys.task, keys.log, now, event, { detail = detail })
    task.state, task.ended = state, ended
end

-- Starts and expires what is due. Returns the task as it is then, and whether it moved; or nil.
local function settle_task(keys, id, now)
    local task = task_read(keys.task)
    local moved = false

    if not task then return nil, false end
    if task.state == 'SCHEDULED' and now >= task.starts then
        redis.call('HSET', keys.task, 'state', 'ACTIVE', 'started_ms', int(task.starts))
        index_remove(keys.index, id, 'SCHEDULED', task.interface)
        index_add(keys.index, id, 'ACTIVE', task.interface)
        live_put(keys.live, id, 'ACTIVE', task.starts, task.ends, task.interface)
        count_version(keys)
        log_own(keys.task, keys.log, now, EVENT.STARTED, {})
        task.state, moved = 'ACTIVE', true
    end
    if task.state == 'ACTIVE' and now >= task.ends then
        finish(keys, id, task, 'EXPIRED', task.ends, now, EVENT.EXPIRED)
        moved = true
    end
    return task, moved
end

local function no_task(now)
    return { 'NO_TASK', '0', int(now), {} }
end

-- KEYS of move_keys()  ARGV id
local function settle(argv_keys, args)
    local keys, now = move_keys(argv_keys), now_ms()
    local task, moved = settle_task(keys, args[1], now)

    if not task then return no_task(now) end
    return answer(moved and 'DONE' or 'NOT_DUE', keys.version, now, keys.task)
end

-- KEYS of move_keys()  ARGV id who
local function cancel(argv_keys, args)
    local keys, now = move_keys(argv_keys), now_ms()
    local task = settle_task(keys, args[1], now)

    if not task then return no_task(now) end
    if is_final(task.state) then return answer('OVER', keys.version, now, keys.task) end
    finish(keys, args[1], task, 'CANCELLED', now, now, EVENT.CANCELLED, by(args[2]))
    return answer('DONE', keys.version, now, keys.task)
end

-- KEYS of move_keys()  ARGV id who active_max duration_min..., rising
local function extend(argv_keys, args)
    local keys, now = move_keys(argv_keys), now_ms()
    local id, minutes = args[1], nil
    local task = settle_task(keys, id, now)

    if not task then return no_task(now) end
    if is_final(task.state) then return answer('OVER', keys.version, now, keys.task) end
    for i = 4, #args do
        if not minutes and tonumber(args[i]) > task.duration_min then minutes = tonumber(args[i]) end
    end
    if not minutes then return answer('LONGEST', keys.version, now, keys.task) end

    local ends = task.starts + minutes * 60000
    local refusal = refuse(keys, now, { id = id, interface = task.interface, starts = task.starts,
                                        ends = ends, active_max = tonumber(args[3]) })
    if refusal then return refusal end
    redis.call('HSET', keys.task, 'duration_min', int(minutes), 'ends_ms', int(ends))
    live_put(keys.live, id, task.state, task.starts, ends, task.interface)
    count_version(keys)
    log_own(keys.task, keys.log, now, EVENT.EXTENDED,
            { detail = string.format('to %d minutes %s', minutes, by(args[2])) })
    return answer('DONE', keys.version, now, keys.task)
end

-- Ending a task must be possible in a Redis that is full: what that writes is small.
export('create', create)
export('settle', settle, { 'allow-oom' })
export('cancel', cancel, { 'allow-oom' })
export('extend', extend)
