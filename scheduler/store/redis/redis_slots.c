/* SPDX-License-Identifier: Apache-2.0 */
/* redis_slots.c: the hash of Redis Cluster (CRC16-XMODEM), and its answers in words. */
#include "scheduler/store/redis/redis_slots.h"

#include <string.h>

#include "scheduler/store/redis/redis_value.h"

/* Keys ------------------------------------------------------------------------------------- */

static uint16_t crc16(struct text bytes)
{
    uint16_t crc = 0;

    for (size_t i = 0; i < bytes.size; i++) {
        crc = (uint16_t)(crc ^ (uint16_t)((unsigned char)bytes.data[i] << 8));
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
        }
    }
    return crc;
}

uint16_t redis_slot_of(struct text key)
{
    const char *open = key.size ? memchr(key.data, '{', key.size) : NULL;
    const char *end = key.data + key.size;
    const char *close = open ? memchr(open + 1, '}', (size_t)(end - open - 1)) : NULL;

    if (close && close > open + 1) key = (struct text){ open + 1, (size_t)(close - open - 1) };
    return crc16(key) % CLUSTER_SLOTS;
}

/* The next argument of a command in Redis' protocol: "$3\r\nSET\r\n". */
static bool next_argument(struct text *rest, struct text *ret)
{
    const char *line_end = rest->size ? memchr(rest->data, '\r', rest->size) : NULL;
    uint64_t size;
    size_t head;

    if (!line_end || rest->data[0] != '$') return false;
    head = (size_t)(line_end - rest->data) + 2;
    if (text_to_u64((struct text){ rest->data + 1, head - 3 }, &size) < 0) return false;
    if (rest->size < head || rest->size - head < size + 2) return false;
    *ret = (struct text){ rest->data + head, size };
    *rest = (struct text){ rest->data + head + size + 2, rest->size - head - size - 2 };
    return true;
}

/* Those of ours whose key is not the first argument; 0: it has none. */
static unsigned key_place(struct text name)
{
    static const struct {
        const char *name;
        unsigned place;
    } others[] = {
        { "FCALL", 3 },  { "FCALL_RO", 3 }, { "EVAL", 3 },   { "INFO", 0 }, { "TIME", 0 },
        { "CONFIG", 0 }, { "FUNCTION", 0 }, { "WAIT", 0 },   { "PING", 0 }, { "CLUSTER", 0 },
        { "ASKING", 0 }, { "ROLE", 0 },     { "SCRIPT", 0 },
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (text_is_equal(name, text_of(others[i].name))) return others[i].place;
    }
    return 1;
}

/* XREAD names its keys behind STREAMS. */
static bool stream_key(struct text rest, struct text *ret)
{
    struct text argument;

    while (next_argument(&rest, &argument)) {
        if (text_is_equal(argument, TEXT("STREAMS"))) return next_argument(&rest, ret);
    }
    return false;
}

bool redis_command_key(struct text command, struct text *ret)
{
    const char *line_end = command.size ? memchr(command.data, '\n', command.size) : NULL;
    struct text rest, name, argument = { 0 };
    unsigned place;

    if (!line_end) return false;
    rest = (struct text){ line_end + 1, (size_t)(command.data + command.size - line_end - 1) };
    if (!next_argument(&rest, &name)) return false;
    if (text_is_equal(name, TEXT("XREAD"))) return stream_key(rest, ret);
    place = key_place(name);
    for (unsigned i = 0; i < place; i++) {
        if (!next_argument(&rest, &argument)) return false;
    }
    if (place > 0) *ret = argument;
    return place > 0;
}

/* Nodes ------------------------------------------------------------------------------------- */

void redis_slots_init(struct redis_slots *slots)
{
    slots->node_count = 0;
    slots->owned = 0;
    memset(slots->owner, -1, sizeof(slots->owner));
}

int redis_slots_node(const struct redis_slots *slots, uint16_t slot)
{
    return slot < CLUSTER_SLOTS ? slots->owner[slot] : -1;
}

int redis_slots_add_node(struct redis_slots *slots, const struct redis_place *place)
{
    for (size_t i = 0; i < slots->node_count; i++) {
        const struct redis_place *node = &slots->nodes[i];

        if (node->port == place->port && strcmp(node->host, place->host) == 0) return (int)i;
    }
    if (slots->node_count == CLUSTER_NODES_MAX) return -1;
    slots->nodes[slots->node_count] = *place;
    return (int)slots->node_count++;
}

void redis_slots_give(struct redis_slots *slots, uint16_t slot, int node)
{
    if (slots->owner[slot] < 0 && node >= 0) slots->owned++;
    if (slots->owner[slot] >= 0 && node < 0) slots->owned--;
    slots->owner[slot] = (int8_t)node;
}

static bool place_make(struct text host, uint64_t port, const struct redis_place *asked,
                       struct redis_place *ret)
{
    if (host.size > REDIS_HOST_SIZE_MAX || port == 0 || port > UINT16_MAX) return false;
    if (host.size == 0) host = text_of(asked->host);
    memmove(ret->host, host.data, host.size);
    ret->host[host.size] = '\0';
    ret->port = (uint16_t)port;
    return true;
}

/* [first, last, [host, port, id, ...], replica...] */
static int read_range(struct redis_slots *slots, const struct redis_value *range,
                      const struct redis_place *asked)
{
    uint64_t first = redis_value_u64(redis_value_at(range, 0));
    uint64_t last = redis_value_u64(redis_value_at(range, 1));
    const struct redis_value *master = redis_value_at(range, 2);
    struct redis_place place;
    int node;

    if (redis_value_count(range) < 3 || first > last || last >= CLUSTER_SLOTS) return -1;
    if (!place_make(redis_value_text(redis_value_at(master, 0)),
                    redis_value_u64(redis_value_at(master, 1)), asked, &place)) {
        return -1;
    }
    node = redis_slots_add_node(slots, &place);
    if (node < 0) return -1;
    for (uint64_t slot = first; slot <= last; slot++) {
        redis_slots_give(slots, (uint16_t)slot, node);
    }
    return 0;
}

int redis_slots_read(struct redis_slots *slots, const struct redis_value *value,
                     const struct redis_place *asked)
{
    struct redis_slots read;

    redis_slots_init(&read);
    if (redis_value_is_error(value) || redis_value_is_nil(value)) return -1;
    for (size_t i = 0; i < redis_value_count(value); i++) {
        if (read_range(&read, redis_value_at(value, i), asked) < 0) return -1;
    }
    *slots = read;
    return 0;
}

enum redis_redirect redis_redirect_read(struct text error, const struct redis_place *said,
                                        uint16_t *ret_slot, struct redis_place *ret_place)
{
    bool is_moved = text_starts_with(error, TEXT("MOVED "));
    size_t head = is_moved ? strlen("MOVED ") : strlen("ASK ");
    struct text rest, slot_text, host;
    const char *blank, *colon;
    struct redis_place place;
    uint64_t slot, port;

    if (!is_moved && !text_starts_with(error, TEXT("ASK "))) return REDIRECT_NONE;
    rest = (struct text){ error.data + head, error.size - head };
    blank = memchr(rest.data, ' ', rest.size);
    if (!blank) return REDIRECT_NONE;
    slot_text = (struct text){ rest.data, (size_t)(blank - rest.data) };
    host = (struct text){ blank + 1, rest.size - slot_text.size - 1 };
    colon = host.size ? memrchr(host.data, ':', host.size) : NULL;
    if (!colon || text_to_u64(slot_text, &slot) < 0 || slot >= CLUSTER_SLOTS) return REDIRECT_NONE;
    rest = (struct text){ colon + 1, (size_t)(host.data + host.size - colon - 1) };
    host.size = (size_t)(colon - host.data);
    if (text_to_u64(rest, &port) < 0 || !place_make(host, port, said, &place)) return REDIRECT_NONE;
    *ret_slot = (uint16_t)slot;
    *ret_place = place;
    return is_moved ? REDIRECT_MOVED : REDIRECT_ASK;
}
