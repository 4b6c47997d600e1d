-- SPDX-License-Identifier: Apache-2.0
--
-- Copies a task that is over, with its log, so often that a history is long: run by history_seed.c.
-- What it writes is what the functions of scheduler/store leave behind of a task; it only ever
-- runs in a Redis of a test.
--
-- ARGV application place template first count base_ms step_ms events
local application, place, template = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local first, count = tonumber(ARGV[4]), tonumber(ARGV[5])
local base, step, events = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local tag = 'stakeout:{' .. application .. '}:'
local held = redis.call('HGETALL', tag .. 'task:' .. template)
local log = redis.call('LRANGE', tag .. 'task:' .. template .. ':log', 0, -1)
local letters = { EXPIRED = 'E', FILLED = 'F', CANCELLED = 'C' }
local spec, lines = {}, {}

for i = 1, #held, 2 do spec[held[i]] = held[i + 1] end
for i = 1, events do lines[i] = log[(i - 1) % #log + 1] end

local function int(number) return string.format('%.0f', number) end

for number = first, first + count - 1 do
    local created = base + number * step + place
    local id = string.format('%011x%09x', created, number * 256 + place)
    local state = number % 1000 == 1 and 'FILLED' or number % 1000 == 2 and 'CANCELLED' or 'EXPIRED'
    local interface = number % 1000 == 7 and 'GET /rare' or 'GET /' .. number % 20
    local fields = {}

    spec.state, spec.interface = state, interface
    spec.created_ms, spec.started_ms, spec.start_ms = int(created), int(created), int(created)
    spec.ends_ms, spec.ended_ms = int(created + 300000), int(created + 300000)
    for name, value in pairs(spec) do
        fields[#fields + 1], fields[#fields + 2] = name, value
    end
    redis.call('HSET', tag .. 'task:' .. id, unpack(fields))
    if events > 0 then redis.call('RPUSH', tag .. 'task:' .. id .. ':log', unpack(lines)) end
    redis.call('ZADD', tag .. 'tasks', 0, id)
    redis.call('ZADD', tag .. 'ended', spec.ended_ms, id)
    redis.call('ZADD', tag .. 'index', 0, interface .. '\n' .. letters[state] .. id,
               0, '\n' .. letters[state] .. id)
    redis.call('SET', 'stakeout:task:' .. id, application)
end
return count
