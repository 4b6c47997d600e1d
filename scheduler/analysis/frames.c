/* SPDX-License-Identifier: Apache-2.0 */
/* frames.c: three tables of rows without pointers, found by the hash of their bytes.
 *
 * Keys are compared with memcmp: they are made of 32-bit numbers alone, without padding, and a
 * frame's `place` is 0 while it is a key. */
#include "scheduler/analysis/frames.h"

#include "common/base/check.h"
#include "scheduler/analysis/escape.h"
#include "scheduler/analysis/room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert(sizeof(struct shown_frame) == 10 * 4 + 8, "no padding: compared by bytes");

static uint32_t hash_bytes(const void *data, size_t size)
{
    uint64_t hash = text_hash((struct text){ data, size });

    return (uint32_t)(hash ^ hash >> 32);
}

static uint32_t strings_add(struct strings *strings, struct text text)
{
    uint32_t hash = hash_bytes(text.data, text.size), row;
    struct hash_walk walk = hash_walk_start(&strings->index, hash);

    while ((row = hash_walk_next(&walk)) != HASH_NONE)
        if (text_is_equal(strings->texts[row], text)) return row;
    room_for_one(&strings->texts, strings->count, &strings->capacity, sizeof *strings->texts);
    strings->texts[strings->count] =
        (struct text){ mem_text(text.size ? text.data : "", text.size), text.size };
    hash_index_add(&strings->index, hash, strings->count);
    return strings->count++;
}

uint32_t frame_table_string(struct frame_table *table, struct text text)
{
    OWN(buf_done) struct buf repaired = BUF_INIT(text.size * 3 + 1);

    if (text_is_utf8(text)) return strings_add(&table->strings, text);
    escape_invalid(&repaired, text);
    return strings_add(&table->strings, buf_peek(&repaired));
}

struct text frame_table_text(const struct frame_table *table, uint32_t string)
{
    CHECK(string < table->strings.count);
    return table->strings.texts[string];
}

void frame_table_init(struct frame_table *table)
{
    *table = (struct frame_table){ 0 };
    strings_add(&table->strings, TEXT(""));
}

void frame_table_done(struct frame_table *table)
{
    for (uint32_t i = 0; i < table->strings.count; i++)
        free((char *)table->strings.texts[i].data);
    free(table->strings.texts);
    hash_index_done(&table->strings.index);
    free(table->frames);
    free(table->places);
    free(table->symbols);
    hash_index_done(&table->frame_index);
    hash_index_done(&table->place_index);
    hash_index_done(&table->symbol_index);
    *table = (struct frame_table){ 0 };
}

static uint32_t symbol_add(struct frame_table *table, const struct shown_frame *frame)
{
    uint32_t key[4] = { frame->kind, frame->function, frame->class_name, frame->module };
    uint32_t hash = hash_bytes(key, sizeof key), row;
    struct hash_walk walk = hash_walk_start(&table->symbol_index, hash);

    while ((row = hash_walk_next(&walk)) != HASH_NONE)
        if (memcmp(&table->symbols[row], key, sizeof key) == 0) return row;
    room_for_one(&table->symbols, table->symbol_count, &table->symbol_capacity,
                 sizeof *table->symbols);
    table->symbols[table->symbol_count] =
        (struct shown_symbol){ key[0], key[1], key[2], key[3], table->frame_count };
    hash_index_add(&table->symbol_index, hash, table->symbol_count);
    return table->symbol_count++;
}

static uint32_t place_add(struct frame_table *table, const struct shown_frame *frame)
{
    uint32_t key[3] = { symbol_add(table, frame), frame->file, frame->line };
    uint32_t hash = hash_bytes(key, sizeof key), row;
    struct hash_walk walk = hash_walk_start(&table->place_index, hash);

    while ((row = hash_walk_next(&walk)) != HASH_NONE)
        if (memcmp(&table->places[row], key, sizeof key) == 0) return row;
    room_for_one(&table->places, table->place_count, &table->place_capacity, sizeof *table->places);
    table->places[table->place_count] =
        (struct shown_place){ key[0], key[1], key[2], table->frame_count };
    hash_index_add(&table->place_index, hash, table->place_count);
    return table->place_count++;
}

static bool frame_is_same(struct shown_frame left, const struct shown_frame *key)
{
    left.place = 0;
    return memcmp(&left, key, sizeof left) == 0;
}

uint32_t frame_table_add(struct frame_table *table, struct shown_frame frame)
{
    struct hash_walk walk;
    uint32_t hash, row;

    frame.place = 0;
    hash = hash_bytes(&frame, sizeof frame);
    walk = hash_walk_start(&table->frame_index, hash);
    while ((row = hash_walk_next(&walk)) != HASH_NONE)
        if (frame_is_same(table->frames[row], &frame)) return row;
    frame.place = place_add(table, &frame);
    room_for_one(&table->frames, table->frame_count, &table->frame_capacity, sizeof *table->frames);
    table->frames[table->frame_count] = frame;
    hash_index_add(&table->frame_index, hash, table->frame_count);
    return table->frame_count++;
}

uint32_t frame_table_import(struct frame_table *table, const struct frame_table *from,
                            uint32_t frame)
{
    struct shown_frame copy = from->frames[frame];

    copy.function = strings_add(&table->strings, frame_table_text(from, copy.function));
    copy.class_name = strings_add(&table->strings, frame_table_text(from, copy.class_name));
    copy.module = strings_add(&table->strings, frame_table_text(from, copy.module));
    copy.build_id = strings_add(&table->strings, frame_table_text(from, copy.build_id));
    copy.file = strings_add(&table->strings, frame_table_text(from, copy.file));
    return frame_table_add(table, copy);
}

struct text text_base_name(struct text path)
{
    for (size_t i = path.size; i > 0; i--)
        if (path.data[i - 1] == '/') return (struct text){ path.data + i, path.size - i };
    return path;
}

/* An unnamed function is called by where it starts; where even that is unknown, by where it was
 * met, which tells as much to whoever asks addr2line. */
static uint32_t unnamed_function(struct frame_table *table, struct text module,
                                 const struct frame *frame)
{
    uint64_t start = frame->function_offset ? frame->function_offset : frame->offset;
    struct text name = text_base_name(module);
    char text[STRING_SIZE_MAX + 32];
    int size;

    if (name.size == 0) name = TEXT("(unknown)");
    size = snprintf(text, sizeof text, "%.*s+0x%llx", TEXT_ARGS(name), (unsigned long long)start);
    return frame_table_string(table, (struct text){ text, (size_t)size });
}

static struct shown_frame native_frame(struct frame_table *table, const struct stack_table *stacks,
                                       const struct frame *frame)
{
    struct shown_frame shown = { .kind = FRAME_NATIVE, .offset = frame->offset };

    if (frame->module < stacks->module_count) {
        const struct module *module = &stacks->modules[frame->module];
        char hex[2 * BUILD_ID_SIZE_MAX + 1];

        text_to_hex(module->build_id, module->build_id_size, hex);
        shown.module = frame_table_string(table, stack_table_text(stacks, module->path));
        shown.build_id = frame_table_string(table, text_of(hex));
    }
    shown.function = frame_table_string(table, stack_table_text(stacks, frame->function));
    return shown;
}

static struct shown_frame plain_frame(struct frame_table *table, const struct stack_table *stacks,
                                      const struct frame *frame)
{
    return (struct shown_frame){
        .kind = frame->kind,
        .function = frame_table_string(table, stack_table_text(stacks, frame->function)),
        .class_name = frame_table_string(table, stack_table_text(stacks, frame->class_name)),
        .file = frame_table_string(table, stack_table_text(stacks, frame->file)),
        .line = frame->line,
        .count = frame->count,
    };
}

static void expansion_add(struct expansions *expansions, struct frame_table *table,
                          struct shown_frame frame)
{
    room_for_one(&expansions->frames, expansions->frame_count, &expansions->frame_capacity,
                 sizeof *expansions->frames);
    expansions->frames[expansions->frame_count++] = frame_table_add(table, frame);
}

/* What the sample itself calls the function holds for the outermost location, the function that
 * is really there; it is used where the debug information knows no better. */
static void expand_native(struct expansions *expansions, struct frame_table *table,
                          const struct stack_table *stacks, const struct frame *frame,
                          const struct frame_symbols *symbols)
{
    struct shown_frame shown = native_frame(table, stacks, frame);
    uint32_t own_name = shown.function;
    uint32_t count = symbols ? symbols->count : 0;

    if (own_name == 0)
        own_name = unnamed_function(table, frame_table_text(table, shown.module), frame);
    for (uint32_t i = 0; i < count; i++) {
        const struct source_location *location = &symbols->locations[i];

        shown.function = frame_table_string(table, location->function);
        if (shown.function == 0) shown.function = own_name;
        shown.file = frame_table_string(table, location->file);
        shown.line = location->line;
        shown.is_inlined = i + 1 < count;
        expansion_add(expansions, table, shown);
    }
    if (count > 0) return;
    shown.function = own_name;
    expansion_add(expansions, table, shown);
}

void expansions_init(struct expansions *expansions, struct frame_table *table,
                     const struct sample *sample, const struct sample_symbols *symbols)
{
    const struct stack_table *stacks = &sample->stacks;

    *expansions = (struct expansions){ 0 };
    expansions->of = mem_zalloc(stacks->frame_count + 1, sizeof *expansions->of);
    for (uint32_t i = 0; i < stacks->frame_count; i++) {
        const struct frame *frame = &stacks->frames[i];
        bool is_known = symbols && i < symbols->frame_count;

        expansions->of[i].first = expansions->frame_count;
        if (frame->kind == FRAME_NATIVE)
            expand_native(expansions, table, stacks, frame, is_known ? &symbols->frames[i] : NULL);
        else
            expansion_add(expansions, table, plain_frame(table, stacks, frame));
        expansions->of[i].count = expansions->frame_count - expansions->of[i].first;
    }
}

void expansions_done(struct expansions *expansions)
{
    free(expansions->of);
    free(expansions->frames);
    *expansions = (struct expansions){ 0 };
}

static const struct {
    const char *suffix, *language;
} languages[] = {
    { ".c", "c" },         { ".cc", "c++" },  { ".cpp", "c++" }, { ".cxx", "c++" },
    { ".C", "c++" },       { ".hh", "c++" },  { ".hpp", "c++" }, { ".hxx", "c++" },
    { ".tcc", "c++" },     { ".rs", "rust" }, { ".go", "go" },   { ".S", "assembler" },
    { ".s", "assembler" },
};

static bool text_contains(struct text text, const char *part)
{
    return text.size > 0 && memmem(text.data, text.size, part, strlen(part)) != NULL;
}

const char *frame_language(const struct frame_table *table, const struct shown_frame *frame)
{
    struct text file = frame_table_text(table, frame->file);

    if (frame->kind == FRAME_PYTHON) return "python";
    if (frame->kind != FRAME_NATIVE) return NULL;
    for (size_t i = 0; i < ARRAY_COUNT(languages); i++) {
        struct text suffix = text_of(languages[i].suffix);

        if (file.size > suffix.size &&
            memcmp(file.data + file.size - suffix.size, suffix.data, suffix.size) == 0)
            return languages[i].language;
    }
    return text_contains(frame_table_text(table, frame->function), "::") ? "c++" : NULL;
}
