-- Ledgers. A row is, line by line: sequence, when delivered, when gone, why refused, instance,
-- host IP, counts. The counts are numbers in ../record.c's order (SUMS that add up, then MAXIMA),
-- then drops as "c:reason=count" and "s:reason=count", other sums as "w:name=count" and other
-- maxima as "m:name=value".
--
-- A task keeps LEDGER_INSTANCES_MAX rows. When one more comes, the one that is gone for longest
-- is added to the row `folded`, whose sequence counts the folded ones; `folded` the key remembers
-- who they were, so that none is counted twice.

local SUMS, MAXIMA = 9, 4
local PENDING = 6
local FOLD_TRIES_MAX = 16

local function row_parse(row)
    local sequence, delivered, gone, refused, instance, ip, counts =
        string.match(row, '^(%d+)\n(%d+)\n(%d+)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n(.*)$')

    return { sequence = tonumber(sequence), delivered = delivered, gone = gone, refused = refused,
             instance = instance, ip = ip, counts = counts }
end

local function row_new(instance, ip)
    return { sequence = 0, delivered = '0', gone = '0', refused = '', instance = instance, ip = ip,
             counts = string.rep('0 ', SUMS + MAXIMA - 1) .. '0' }
end

local function row_put(ledger, incarnation, row)
    redis.call('HSET', ledger, incarnation,
               table.concat({ int(row.sequence), row.delivered, row.gone, row.refused,
                              row.instance, row.ip, row.counts }, '\n'))
end

local function row_get(ledger, incarnation)
    local row = redis.call('HGET', ledger, incarnation)

    return row and row_parse(row) or nil
end

local function counts_parse(text)
    local numbers, reasons = {}, {}

    for word in string.gmatch(text, '%S+') do
        local reason, count = string.match(word, '^(.-)=(%d+)$')
        if reason then
            reasons[reason] = tonumber(count)
        else
            numbers[#numbers + 1] = tonumber(word)
        end
    end
    return numbers, reasons
end

local function counts_add(to, from)
    local sums, reasons = counts_parse(to)
    local numbers, more = counts_parse(from)
    local words = {}

    more['c:instance-lost'] = (more['c:instance-lost'] or 0) + numbers[PENDING]
    numbers[PENDING] = 0
    for i = 1, SUMS do words[i] = int(sums[i] + numbers[i]) end
    for i = SUMS + 1, SUMS + MAXIMA do words[i] = int(math.max(sums[i], numbers[i])) end
    for reason, count in pairs(more) do
        local before = reasons[reason] or 0
        local is_maximum = string.sub(reason, 1, 2) == 'm:'
        reasons[reason] = is_maximum and math.max(before, count) or before + count
    end
    for reason, count in pairs(reasons) do
        if count > 0 then words[#words + 1] = reason .. '=' .. int(count) end
    end
    return table.concat(words, ' ')
end

-- Makes room by folding one that is gone. Returns whether there is room.
local function fold_one(ledger, gone, folded)
    for _ = 1, FOLD_TRIES_MAX do
        local incarnation = redis.call('LPOP', gone)
        local row = incarnation and row_get(ledger, incarnation)

        if not incarnation then return false end
        if row and row.gone ~= '0' then
            local sum = row_get(ledger, 'folded') or row_new('', '')
            sum.sequence = sum.sequence + 1
            sum.counts = counts_add(sum.counts, row.counts)
            row_put(ledger, 'folded', sum)
            redis.call('HDEL', ledger, incarnation)
            redis.call('SADD', folded, incarnation)
            return true
        end
    end
    return false
end

-- The instance's row, new if need be; nil if it was folded, or if there is no room.
local function row_open(keys, incarnation, instance, ip, rows_max)
    local row = row_get(keys.ledger, incarnation)

    if row then
        row.instance, row.ip = instance, ip ~= '' and ip or row.ip
        return row
    end
    if redis.call('SISMEMBER', keys.folded, incarnation) == 1 then return nil end
    if redis.call('HLEN', keys.ledger) >= rows_max
        and not fold_one(keys.ledger, keys.gone, keys.folded) then
        redis.call('HINCRBY', keys.task, 'ledger_left_out', 1)
        return nil
    end
    return row_new(instance, ip)
end

local function ledger_keys(keys)
    return { task = keys[1], log = keys[2], ledger = keys[3], gone = keys[4], folded = keys[5],
             heard = keys[6] }
end

-- KEYS of ledger_keys()  ARGV incarnation rows_max instance ip sequence counts refused
local function ledger_put(argv_keys, args)
    local keys, incarnation = ledger_keys(argv_keys), args[1]
    local sequence, refused = tonumber(args[5]), args[7]

    if redis.call('EXISTS', keys.task) == 0 then return 0 end
    local row = row_open(keys, incarnation, args[3], args[4], tonumber(args[2]))
    if not row then return 0 end
    if refused ~= '' then row.refused = refused end
    if sequence > row.sequence then
        row.sequence, row.counts, row.gone = sequence, args[6], '0'
    elseif refused == '' then
        return 0
    end
    row_put(keys.ledger, incarnation, row)
    return 1
end

-- KEYS of ledger_keys()  ARGV incarnation rows_max instance ip
local function delivered(argv_keys, args)
    local keys, incarnation, now = ledger_keys(argv_keys), args[1], now_ms()

    if redis.call('EXISTS', keys.task) == 0 then return 0 end
    local row = row_open(keys, incarnation, args[3], args[4], tonumber(args[2]))
    if not row then return 0 end
    if row.delivered == '0' then
        row.delivered = int(now)
        log_own(keys.task, keys.log, now, EVENT.DELIVERED,
                { incarnation = incarnation, instance = row.instance, detail = row.ip })
    elseif row.gone == '0' then
        return 0
    end
    row.gone = '0'
    row_put(keys.ledger, incarnation, row)
    return 1
end

local function pending_says(pending)
    if pending == 0 then return 'no call was pending' end
    return pending == 1 and '1 call was pending' or int(pending) .. ' calls were pending'
end

-- KEYS of ledger_keys()  ARGV incarnation said_goodbye('1') alive_ms
-- Who said goodbye and left nothing behind is not lost: its log ends with its own 'disarmed'. Who
-- went silent here, and was heard by another scheduler within alive_ms, has moved there.
local function gone(argv_keys, args)
    local keys, incarnation, now = ledger_keys(argv_keys), args[1], now_ms()
    local row = row_get(keys.ledger, incarnation)
    local heard = redis.call('ZSCORE', keys.heard, incarnation)

    if args[2] ~= '1' and heard and now - tonumber(heard) < tonumber(args[3]) then return 0 end
    redis.call('ZREM', keys.heard, incarnation)
    if not row or row.gone ~= '0' then return 0 end
    row.gone = int(now)
    row_put(keys.ledger, incarnation, row)
    redis.call('RPUSH', keys.gone, incarnation)

    local pending = counts_parse(row.counts)[PENDING]
    local is_loss = args[2] ~= '1' and redis.call('HGET', keys.task, 'state') == 'ACTIVE'
    if pending > 0 or is_loss then
        log_own(keys.task, keys.log, now, EVENT.INSTANCE_LOST,
                { incarnation = incarnation, instance = row.instance,
                  count = math.max(pending, 1),
                  detail = pending_says(pending) })
    end
    return 1
end

export('ledger', ledger_put)
export('delivered', delivered)
export('gone', gone)
