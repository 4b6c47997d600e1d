-- The index of an application's tasks: a ZSET of one score, whose members are
--
--   interface LF letter-of-state id       and the same with an empty interface
--
-- so that the tasks of an interface, of a state, or of both, are a range of members, newest last.
--
-- It came with version 2 of these functions: tasks of before are not in it, nor are those that a
-- scheduler of version 1 on the same Redis makes or moves. `indexed` tells: it is the version of the
-- application's tasks (`version`, which every change of a task counts up) with which the index is
-- complete. Functions of this version count both up, those of version 1 leave `indexed` behind.
-- While it is behind, readers read without the index, and the holder of the lease goes through all
-- tasks again: index_begin, index_some for all, index_end. In between `indexed` is "~WHO:version":
-- what this version changes meanwhile is in the index already, and of two who go only the one that
-- began last can end it.

local LETTERS = { SCHEDULED = 'S', ACTIVE = 'A', EXPIRED = 'E', FILLED = 'F', CANCELLED = 'C' }

local function index_names(interface, letter, id)
    return interface .. '\n' .. letter .. id, '\n' .. letter .. id
end

local function index_add(index, id, state, interface)
    local one, any = index_names(interface, LETTERS[state], id)

    redis.call('ZADD', index, 0, one, 0, any)
end

local function index_remove(index, id, state, interface)
    redis.call('ZREM', index, index_names(interface, LETTERS[state], id))
end

-- A task has changed.
local function count_version(keys)
    local version = redis.call('INCR', keys.version)
    local before, indexed = int(version - 1), redis.call('GET', keys.indexed) or '0'
    local who, walked = string.match(indexed, '^~(%x+):(%d+)$')

    if indexed == before then
        redis.call('SET', keys.indexed, int(version))
    elseif walked == before then
        redis.call('SET', keys.indexed, '~' .. who .. ':' .. int(version))
    end
end

-- KEYS version indexed  ARGV who
local function index_begin(keys, args)
    redis.call('SET', keys[2], '~' .. args[1] .. ':' .. (redis.call('GET', keys[1]) or '0'))
    return 1
end

-- KEYS index task...  ARGV id..., one per task: at most 200 of them
local function index_some(keys, args)
    for i, id in ipairs(args) do
        local task = redis.call('HMGET', keys[i + 1], 'state', 'interface')
        if LETTERS[task[1]] then
            for state in pairs(LETTERS) do
                if state ~= task[1] then index_remove(keys[1], id, state, task[2]) end
            end
            index_add(keys[1], id, task[1], task[2])
        end
    end
    return #args
end

-- KEYS version indexed  ARGV who. 0: it was in vain, for a scheduler of version 1 has changed
-- something since it began, or another one has begun.
local function index_end(keys, args)
    local version = redis.call('GET', keys[1]) or '0'

    if redis.call('GET', keys[2]) ~= '~' .. args[1] .. ':' .. version then return 0 end
    redis.call('SET', keys[2], version)
    return 1
end

export('index_begin', index_begin)
export('index_some', index_some)
export('index_end', index_end)
