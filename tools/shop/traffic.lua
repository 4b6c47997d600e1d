-- SPDX-License-Identifier: Apache-2.0
-- The demo's traffic, for wrk: mostly calls that are fast, and a few of each slow kind.
--
--     wrk -t1 -c12 -d60s -s tools/shop/traffic.lua http://127.0.0.1:PORT

local function path_of(roll)
    local number = math.random(1, 100000)

    if roll < 7000 then return "GET", "/item/" .. number end
    if roll < 8500 then return "GET", "/search?category=category-" .. number % 500 end
    if roll < 8510 then return "GET", "/search?words=number+" .. number .. "9" end
    if roll < 9600 then return "POST", "/checkout?quantity=1&item=" .. number end
    if roll < 9790 then return "GET", "/report?days=1" end
    if roll < 9794 then return "GET", "/report?days=200" end
    if roll < 9990 then return "GET", "/shipping/" .. number * 10 + 1 end
    return "GET", "/shipping/" .. number * 10 + 7
end

function init() math.randomseed(os.time()) end

function request()
    local method, path = path_of(math.random(0, 9999))

    return wrk.format(method, path)
end
