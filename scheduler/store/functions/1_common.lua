#!lua name=stakeout_v2
-- SPDX-License-Identifier: Apache-2.0
--
-- stakeout's Redis functions: what must be decided at once. The files of this folder are joined
-- in the order of their names into one library, which the scheduler loads by itself.
--
-- Rules: every key comes in KEYS, all of one hash tag; time is Redis' own; no loop is longer
-- than a bound that is named beside it; a function either refuses before it writes or does all.
-- Changing what a function takes or gives back means a new version in the library's name, in
-- PREFIX and in ../redis_keys.h, so that schedulers of both versions can share a Redis.

local PREFIX = 'stakeout_v2_'

-- Numbers of common/model/task_event.def (a test compares them).
local EVENT = {
    CREATED = 1, SCHEDULED = 2, STARTED = 3, DELIVERED = 4, REFUSED = 5, SAMPLED = 8,
    OVER_CAP = 9, DROPPED = 12, INSTANCE_LOST = 13, EXTENDED = 15, CANCELLED = 16, FILLED = 17,
    EXPIRED = 18,
}

local LOG_EVENTS_MAX = 10000 -- TASK_EVENTS_MAX
local LOG_RESERVE = 256      -- of these, kept for the scheduler's own events

local function export(name, callback, flags)
    redis.register_function{ function_name = PREFIX .. name, callback = callback,
                             flags = flags or {} }
end

local function now_ms()
    local time = redis.call('TIME')

    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Lua's numbers are doubles: exact to 2^53, printed without exponent here.
local function int(number)
    return string.format('%.0f', number)
end

-- One line of a task's log, as ../record.c reads it. `limit` events at most, the rest is counted.
-- Returns the line's place, from 1; 0 if it found none.
local function log_append(task, log, limit, record)
    if redis.call('LLEN', log) >= limit then
        redis.call('HINCRBY', task, 'log_cut', 1)
        return 0
    end
    return redis.call('RPUSH', log, record)
end

-- The same for several, at most 16.
local function log_append_all(task, log, limit, records)
    local room = #records > 0 and limit - redis.call('LLEN', log) or 0

    if room > 0 then redis.call('RPUSH', log, unpack(records, 1, math.min(room, #records))) end
    if #records > room then
        redis.call('HINCRBY', task, 'log_cut', #records - math.max(room, 0))
    end
end

-- An event of the scheduler's own. `what` may carry incarnation, instance, detail and count.
local function log_record(now, event, what)
    return table.concat({
        int(now), int(event), what.incarnation or '0', '0', int(what.count or 1),
        what.instance or '', what.detail or '',
    }, '\n')
end

local function log_own(task, log, now, event, what)
    return log_append(task, log, LOG_EVENTS_MAX, log_record(now, event, what))
end

-- What every function that touches a task gives back: verdict, version, now, the task's fields.
local function answer(verdict, version, now, task)
    return { verdict, redis.call('GET', version) or '0', int(now), redis.call('HGETALL', task) }
end
