/* SPDX-License-Identifier: Apache-2.0 */
/* call_stack.c: interning, four times: strings, modules, frames, stacks.
 *
 * Each kind of thing has an array, in the order of arrival, and an index: a table of
 * (hash, id + 1) with open addressing and linear probing, never more than half full. Nothing is
 * ever removed, so there are no tombstones. Strings lie in chunks that never move, because
 * struct text points into them.
 *
 * INVARIANTS
 *
 * (1) An adder first finds, then reserves (array, index, chunk), then commits; only reserving can
 *     fail, and what is reserved and not used is invisible. So a failed adder changes nothing.
 * (2) What a hash is made of never changes once it is in. A native frame's is module and offset
 *     alone, therefore its name may come later.
 * (3) Hashes are keyed by random bits of this table: who sends us strings cannot know which of
 *     them collide, and cannot make probing slow.
 *
 * The probe's agent runs this in a host: nothing here aborts. */
#include "common/model/call_stack.h"

#include "common/base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *frame_kind_name(enum frame_kind kind)
{
    return kind == FRAME_NATIVE ? "native" : kind == FRAME_PYTHON ? "python" : "marker";
}

enum {
    ARRAY_COUNT_MIN = 16,
    INDEX_COUNT_MIN = 32, /* a power of two, like all that follow */
    CHUNK_SIZE = 16 * 1024,
};

struct chunk {
    struct chunk *next;
    size_t used, size;
    char data[];
};

struct index {
    struct index_slot {
        uint32_t hash;
        uint32_t id_plus_1; /* 0: empty */
    } * slots;
    uint32_t slot_count; /* 0 or a power of two */
    uint32_t used_count;
};

struct stack_table_private {
    uint64_t seed;
    struct chunk *chunks; /* the first is the one that is being filled */
    struct index strings, modules, frames, stacks;
    uint32_t string_room, module_room, frame_room, stack_room, stack_frame_room;
};

/* Multiplies to 128 bits and folds: one round of the hash. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_word(uint64_t hash, uint64_t word)
{
    return mix(hash ^ word ^ UINT64_C(0xa0761d6478bd642f), UINT64_C(0xe7037ed1a0b428db));
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    const char *at = data;
    size_t left = size;

    for (; left > 0;) {
        size_t step = left < 8 ? left : 8;
        uint64_t word = 0;

        memcpy(&word, at, step);
        hash = mix(hash ^ word, UINT64_C(0x8ebc6af09c88c6e3));
        at += step;
        left -= step;
    }
    return hash_word(hash, size);
}

static uint32_t hash_end(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32);
}

/* Is the thing at `id` the one that `key` describes? */
typedef bool (*is_same_fn)(const struct stack_table *table, uint32_t id, const void *key);

/* Returns true and the id of what is like `key`, or false. */
static bool index_find(const struct stack_table *table, const struct index *index, uint32_t hash,
                       is_same_fn is_same, const void *key, uint32_t *ret)
{
    uint32_t mask = index->slot_count - 1;

    if (index->slot_count == 0) return false;
    for (uint32_t i = hash & mask; index->slots[i].id_plus_1 != 0; i = (i + 1) & mask) {
        uint32_t id = index->slots[i].id_plus_1 - 1;

        if (index->slots[i].hash == hash && is_same(table, id, key)) {
            *ret = id;
            return true;
        }
    }
    return false;
}

static void index_put(struct index *index, uint32_t hash, uint32_t id)
{
    uint32_t mask = index->slot_count - 1, i = hash & mask;

    while (index->slots[i].id_plus_1 != 0) {
        i = (i + 1) & mask;
    }
    index->slots[i] = (struct index_slot){ hash, id + 1 };
    index->used_count++;
}

/* Room for one more: afterwards index_put() finds an empty slot. */
static int index_reserve(struct index *index)
{
    struct index grown = { 0 };

    if (2 * (index->used_count + 1) <= index->slot_count) return 0;
    grown.slot_count = index->slot_count > 0 ? 2 * index->slot_count : INDEX_COUNT_MIN;
    grown.slots = calloc(grown.slot_count, sizeof *grown.slots);
    if (!grown.slots) return -ENOMEM;
    for (uint32_t i = 0; i < index->slot_count; i++) {
        const struct index_slot *slot = &index->slots[i];

        if (slot->id_plus_1 != 0) index_put(&grown, slot->hash, slot->id_plus_1 - 1);
    }
    free(index->slots);
    *index = grown;
    return 0;
}

/* Returns `array`, moved if need be so that it has room for `count` elements, or NULL. */
static void *array_reserve(void *array, uint32_t *room, uint32_t count, size_t element_size)
{
    uint32_t grown = *room > 0 ? *room : ARRAY_COUNT_MIN;

    if (array && count <= *room) return array;
    while (grown < count) {
        grown *= 2;
    }
    array = realloc(array, grown * element_size);
    if (array) *room = grown;
    return array;
}

/* `size` bytes that stay where they are; they count once chunk->used is moved behind them. */
static char *chunk_reserve(struct stack_table_private *p, size_t size)
{
    size_t chunk_size = size > CHUNK_SIZE ? size : CHUNK_SIZE;
    struct chunk *chunk = p->chunks;

    if (chunk && chunk->size - chunk->used >= size) return chunk->data + chunk->used;
    chunk = malloc(sizeof *chunk + chunk_size);
    if (!chunk) return NULL;
    *chunk = (struct chunk){ .next = p->chunks, .size = chunk_size };
    p->chunks = chunk;
    return chunk->data;
}

int stack_table_init(struct stack_table *table)
{
    uint32_t empty;
    int rc;

    *table = (struct stack_table){ .p = calloc(1, sizeof *table->p) };
    if (!table->p) return -ENOMEM;
    table->p->seed = random_u64();
    rc = stack_table_string(table, TEXT(""), &empty);
    if (rc < 0) stack_table_done(table);
    return rc;
}

void stack_table_done(struct stack_table *table)
{
    struct stack_table_private *p = table->p;

    if (p) {
        while (p->chunks) {
            struct chunk *next = p->chunks->next;

            free(p->chunks);
            p->chunks = next;
        }
        free(p->strings.slots);
        free(p->modules.slots);
        free(p->frames.slots);
        free(p->stacks.slots);
        free(p);
    }
    free(table->strings);
    free(table->modules);
    free(table->frames);
    free(table->stacks);
    free(table->stack_frames);
    *table = (struct stack_table){ 0 };
}

static bool is_same_string(const struct stack_table *table, uint32_t id, const void *key)
{
    return text_is_equal(table->strings[id], *(const struct text *)key);
}

static int string_commit(struct stack_table *table, struct text text, uint32_t hash, uint32_t *ret)
{
    struct stack_table_private *p = table->p;
    char *copy;
    void *grown;

    if (table->string_count > REPORT_STRINGS_MAX) return -ENOBUFS; /* and the empty one */
    if (index_reserve(&p->strings) < 0) return -ENOMEM;
    grown = array_reserve(table->strings, &p->string_room, table->string_count + 1,
                          sizeof *table->strings);
    if (!grown) return -ENOMEM;
    table->strings = grown;
    copy = chunk_reserve(p, text.size + 1);
    if (!copy) return -ENOMEM;

    if (text.size > 0) memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    p->chunks->used += text.size + 1;
    table->strings[table->string_count] = (struct text){ copy, text.size };
    index_put(&p->strings, hash, table->string_count);
    *ret = table->string_count++;
    return 0;
}

static uint32_t hash_text(const struct stack_table *table, struct text text)
{
    return hash_end(hash_bytes(table->p->seed, text.data, text.size));
}

/* The text as it is stored: itself, or a clean copy of it in `room`. */
static struct text storable(struct text text, char room[STRING_SIZE_MAX])
{
    if (text.size <= STRING_SIZE_MAX && text_is_printable(text)) return text;
    return (struct text){ room, text_clean(text, room, STRING_SIZE_MAX) };
}

static bool string_find(const struct stack_table *table, struct text text, uint32_t *ret)
{
    return index_find(table, &table->p->strings, hash_text(table, text), is_same_string, &text,
                      ret);
}

int stack_table_string(struct stack_table *table, struct text text, uint32_t *ret)
{
    char room[STRING_SIZE_MAX];
    struct text stored = storable(text, room);

    if (string_find(table, stored, ret)) return 0;
    return string_commit(table, stored, hash_text(table, stored), ret);
}

static bool is_same_module(const struct stack_table *table, uint32_t id, const void *key)
{
    const struct module *module = &table->modules[id], *other = key;

    return module->path == other->path && module->build_id_size == other->build_id_size &&
           memcmp(module->build_id, other->build_id, module->build_id_size) == 0;
}

static uint32_t hash_module(const struct stack_table *table, const struct module *module)
{
    uint64_t hash = hash_word(table->p->seed, module->path);

    return hash_end(hash_bytes(hash, module->build_id, module->build_id_size));
}

static int module_reserve(struct stack_table *table)
{
    struct stack_table_private *p = table->p;
    void *grown;

    if (table->module_count >= REPORT_MODULES_MAX) return -ENOBUFS;
    if (index_reserve(&p->modules) < 0) return -ENOMEM;
    grown = array_reserve(table->modules, &p->module_room, table->module_count + 1,
                          sizeof *table->modules);
    if (!grown) return -ENOMEM;
    table->modules = grown;
    return 0;
}

/* The path may be new too, and putting it in may fail: it goes in when all else has room. */
int stack_table_module(struct stack_table *table, struct text path, struct text build_id,
                       uint32_t *ret)
{
    char room[STRING_SIZE_MAX];
    struct text stored = storable(path, room);
    struct index *index = &table->p->modules;
    struct module module = { .build_id_size = (uint8_t)build_id.size };
    int rc;

    if (build_id.size > BUILD_ID_SIZE_MAX) return -EINVAL;
    if (build_id.size > 0) memcpy(module.build_id, build_id.data, build_id.size);
    if (string_find(table, stored, &module.path) &&
        index_find(table, index, hash_module(table, &module), is_same_module, &module, ret))
        return 0;

    rc = module_reserve(table);
    if (rc < 0) return rc;
    rc = stack_table_string(table, stored, &module.path);
    if (rc < 0) return rc;
    table->modules[table->module_count] = module;
    index_put(index, hash_module(table, &module), table->module_count);
    *ret = table->module_count++;
    return 0;
}

/* Has the frame the fields of its kind, within the tables, and no others? */
static bool frame_is_sound(const struct stack_table *table, const struct frame *frame)
{
    uint32_t strings = table->string_count;
    bool has_native = frame->module | frame->offset | frame->function_offset;
    bool has_python = frame->class_name | frame->file | frame->line;

    if (frame->function >= strings || frame->class_name >= strings || frame->file >= strings)
        return false;
    switch (frame->kind) {
    case FRAME_NATIVE:
        return frame->module < table->module_count && !has_python && frame->count == 0;
    case FRAME_PYTHON:
        return !has_native && frame->count == 0;
    case FRAME_MARKER:
        return !has_native && !has_python;
    default:
        return false;
    }
}

static uint32_t hash_frame(const struct stack_table *table, const struct frame *frame)
{
    uint64_t hash = hash_word(table->p->seed, frame->kind);

    if (frame->kind == FRAME_NATIVE)
        return hash_end(hash_word(hash_word(hash, frame->module), frame->offset));
    hash = hash_word(hash, (uint64_t)frame->function << 32 | frame->class_name);
    hash = hash_word(hash, (uint64_t)frame->file << 32 | frame->line);
    return hash_end(hash_word(hash, frame->count));
}

static bool is_same_frame(const struct stack_table *table, uint32_t id, const void *key)
{
    const struct frame *frame = &table->frames[id], *other = key;

    if (frame->kind != other->kind) return false;
    if (frame->kind == FRAME_NATIVE)
        return frame->module == other->module && frame->offset == other->offset;
    return frame->function == other->function && frame->class_name == other->class_name &&
           frame->file == other->file && frame->line == other->line && frame->count == other->count;
}

/* A name that comes later is as good as one that came at once. */
static void take_name(struct frame *frame, const struct frame *from)
{
    if (frame->kind != FRAME_NATIVE || frame->function != 0) return;
    frame->function = from->function;
    frame->function_offset = from->function_offset;
}

int stack_table_frame(struct stack_table *table, const struct frame *frame, uint32_t *ret)
{
    struct stack_table_private *p = table->p;
    uint32_t hash;
    void *grown;

    if (!frame_is_sound(table, frame)) return -EINVAL;
    hash = hash_frame(table, frame);
    if (index_find(table, &p->frames, hash, is_same_frame, frame, ret)) {
        if (frame->function != 0) take_name(&table->frames[*ret], frame);
        return 0;
    }
    if (table->frame_count >= REPORT_FRAMES_MAX) return -ENOBUFS;
    if (index_reserve(&p->frames) < 0) return -ENOMEM;
    grown =
        array_reserve(table->frames, &p->frame_room, table->frame_count + 1, sizeof *table->frames);
    if (!grown) return -ENOMEM;
    table->frames = grown;

    table->frames[table->frame_count] = *frame;
    index_put(&p->frames, hash, table->frame_count);
    *ret = table->frame_count++;
    return 0;
}

int stack_table_name_frame(struct stack_table *table, uint32_t frame, struct text function,
                           uint64_t function_offset)
{
    struct frame name = { .function_offset = function_offset };
    int rc;

    if (frame >= table->frame_count || table->frames[frame].kind != FRAME_NATIVE ||
        table->frames[frame].function != 0)
        return -EINVAL;
    rc = stack_table_string(table, function, &name.function);
    if (rc < 0) return rc;
    take_name(&table->frames[frame], &name);
    return 0;
}

struct stack_key {
    const uint32_t *frames;
    uint32_t count;
};

static bool is_same_stack(const struct stack_table *table, uint32_t id, const void *key)
{
    const struct stack *stack = &table->stacks[id];
    const struct stack_key *other = key;

    return stack->count == other->count && memcmp(table->stack_frames + stack->first, other->frames,
                                                  stack->count * sizeof *other->frames) == 0;
}

static int stack_reserve(struct stack_table *table, uint32_t frame_count)
{
    struct stack_table_private *p = table->p;
    void *grown;

    if (table->stack_count >= REPORT_STACKS_MAX) return -ENOBUFS;
    if (index_reserve(&p->stacks) < 0) return -ENOMEM;
    grown =
        array_reserve(table->stacks, &p->stack_room, table->stack_count + 1, sizeof *table->stacks);
    if (!grown) return -ENOMEM;
    table->stacks = grown;
    grown = array_reserve(table->stack_frames, &p->stack_frame_room,
                          table->stack_frame_count + frame_count, sizeof *table->stack_frames);
    if (!grown) return -ENOMEM;
    table->stack_frames = grown;
    return 0;
}

int stack_table_stack(struct stack_table *table, const uint32_t *frames, uint32_t count,
                      uint32_t *ret)
{
    struct stack_key key = { frames, count };
    struct index *index = &table->p->stacks;
    uint32_t hash;
    int rc;

    if (count == 0 || count > STACK_FRAMES_MAX + 1) return -EINVAL;
    for (uint32_t i = 0; i < count; i++) {
        if (frames[i] >= table->frame_count) return -EINVAL;
    }
    hash = hash_end(hash_bytes(table->p->seed, frames, count * sizeof *frames));
    if (index_find(table, index, hash, is_same_stack, &key, ret)) return 0;
    rc = stack_reserve(table, count);
    if (rc < 0) return rc;

    memcpy(table->stack_frames + table->stack_frame_count, frames, count * sizeof *frames);
    table->stacks[table->stack_count] = (struct stack){ table->stack_frame_count, count };
    table->stack_frame_count += count;
    index_put(index, hash, table->stack_count);
    *ret = table->stack_count++;
    return 0;
}
