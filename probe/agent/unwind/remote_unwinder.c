/* SPDX-License-Identifier: Apache-2.0 */
/* remote_unwinder.c: libunwind's remote interface, over a copy, with memory and tables of our own.
 *
 * libunwind is opened with dlopen and RTLD_LOCAL, never linked: its _Unwind_* and backtrace must
 * not take the place of the host's; and with RTLD_DEEPBIND, because the functions of a host that
 * brings another libunwind must not take the place of its own, as they would in every call through
 * its PLT. It is opened once per process, by an errand (errand.h): whoever starts the probe may
 * hold the loader's lock. The target is "remote": all that it knows comes through the accessors
 * below.
 *
 * - find_proc_info looks in our own module list, never in the loader's, and lets libunwind search
 *   the module's .eh_frame_hdr, which it reads through
 * - access_mem, which answers from the copy, or from a cache of pages of known modules, filled by
 *   self_read(). A page costs one system call, and unwind information is read byte by byte.
 * - access_reg refuses registers that are not known (a blocked thread's are not, but for two), and
 *   notes that one was lacking.
 *
 * libunwind keeps the rows that it has worked out (UNW_CACHE_GLOBAL); they are flushed with our
 * pages when modules come or go. Where it finds no unwind entry it would follow the frame pointer,
 * which may be anything: such a step is not believed.
 *
 * The cursor is made when a frame first needs it, and follows the walk from the innermost frame on:
 * registers that our rows do not keep are in it then. */
#include "probe/agent/unwind/remote_unwinder.h"

#include "probe/agent/base/errand.h"
#include "probe/agent/base/filters.h"
#include "probe/agent/base/program.h"
#include "probe/agent/unwind/modules.h"
#include "probe/agent/unwind/self_memory.h"
#include "probe/agent/unwind/unwind_header.h"
#include "probe/agent/unwind/unwinder.h"

#include <dlfcn.h>
#include <errno.h>
#include <libunwind.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE_SIZE_BYTES = 4096,
    PAGES = 64, /* 256 KB: what few frames need, and all of them until there are tables */
    ROWS_CACHED = 1024,
};

static_assert(REGISTERS == UNW_X86_64_RIP + 1, "libunwind numbers the registers as DWARF does");

/* The library's functions, by their names there. */
struct libunwind {
    unw_addr_space_t (*create_addr_space)(unw_accessors_t *, int);
    void (*destroy_addr_space)(unw_addr_space_t);
    int (*init_remote)(unw_cursor_t *, unw_addr_space_t, void *);
    int (*step)(unw_cursor_t *);
    int (*get_reg)(unw_cursor_t *, int, unw_word_t *);
    int (*is_signal_frame)(unw_cursor_t *);
    int (*set_caching_policy)(unw_addr_space_t, unw_caching_policy_t);
    int (*set_cache_size)(unw_addr_space_t, size_t, int);
    void (*flush_cache)(unw_addr_space_t, unw_word_t, unw_word_t);
    int (*search_table)(unw_addr_space_t, unw_word_t, unw_dyn_info_t *, unw_proc_info_t *, int,
                        void *);
};

struct page {
    uint64_t address; /* 0: empty */
    uint32_t size;    /* readable bytes */
    unsigned char bytes[PAGE_SIZE_BYTES];
};

static struct libunwind libunwind; /* read when the errand is done */
static bool is_bound;              /* likewise */
static struct errand opening;

struct remote_unwinder {
    unw_addr_space_t space; /* NULL: libunwind is not there, or not yet */
    const struct modules *modules;
    struct page *pages; /* by page number, modulo PAGES */
    /* Of the walk under way: */
    const struct stack_view *view;
    unw_cursor_t cursor;
    bool has_cursor;
    uint32_t position; /* the cursor's frame: 0 is the innermost */
    bool lacks_entry, lacks_register;
};

/* The page that holds an address of a known module; NULL if it cannot be read. */
static const struct page *page_get(struct remote_unwinder *remote, uint64_t address)
{
    uint64_t begin = address & ~(uint64_t)(PAGE_SIZE_BYTES - 1);
    struct page *page = &remote->pages[begin / PAGE_SIZE_BYTES % PAGES];

    if (page->address == begin) return page;
    page->size = (uint32_t)self_read(begin, page->bytes, PAGE_SIZE_BYTES);
    page->address = page->size > 0 ? begin : 0;
    return page->size > 0 ? page : NULL;
}

/* Reads `size` bytes of a module, which may span two pages. */
static bool module_read(struct remote_unwinder *remote, uint64_t address, void *ret, size_t size)
{
    unsigned char *to = ret;

    while (size > 0) {
        const struct page *page = page_get(remote, address);
        uint64_t at = address % PAGE_SIZE_BYTES;
        size_t part = PAGE_SIZE_BYTES - at < size ? PAGE_SIZE_BYTES - at : size;

        if (!page || at + part > page->size) return false;
        memcpy(to, page->bytes + at, part);
        to += part;
        address += part;
        size -= part;
    }
    return true;
}

static bool copy_read(const struct stack_view *view, uint64_t address, uint64_t *ret)
{
    if (address < view->base || address - view->base > view->size) return false;
    if (view->size - (address - view->base) < sizeof *ret) return false;
    memcpy(ret, view->bytes + (address - view->base), sizeof *ret);
    return true;
}

static int on_access_mem(unw_addr_space_t space, unw_word_t address, unw_word_t *value, int write,
                         void *context)
{
    struct remote_unwinder *remote = context;
    const struct loaded_module *module;

    (void)space;
    if (write) return -UNW_EINVAL;
    if (copy_read(remote->view, address, value)) return 0;
    module = modules_find(remote->modules, address);
    if (!module || module_segment_end(module, address) == 0) return -UNW_EINVAL;
    return module_read(remote, address, value, sizeof *value) ? 0 : -UNW_EINVAL;
}

static int on_access_reg(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int write,
                         void *context)
{
    struct remote_unwinder *remote = context;

    (void)space;
    if (write || number < 0 || number >= REGISTERS) return -UNW_EBADREG;
    if (!(remote->view->known & REGISTER_BIT(number))) {
        remote->lacks_register = true;
        return -UNW_EBADREG;
    }
    *value = remote->view->registers[number];
    return 0;
}

static int on_access_fpreg(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value,
                           int write, void *context)
{
    (void)space;
    (void)number;
    (void)value;
    (void)write;
    (void)context;
    return -UNW_EBADREG;
}

static int on_resume(unw_addr_space_t space, unw_cursor_t *cursor, void *context)
{
    (void)space;
    (void)cursor;
    (void)context;
    return -UNW_EINVAL;
}

static int on_dynamic_list(unw_addr_space_t space, unw_word_t *address, void *context)
{
    (void)space;
    (void)address;
    (void)context;
    return -UNW_ENOINFO;
}

/* The table of a module's .eh_frame_hdr. */
struct search_table {
    uint64_t header, at;
    uint32_t count;
};

static bool table_find(struct remote_unwinder *remote, const struct loaded_module *module,
                       struct search_table *ret)
{
    struct unwind_header header;

    if (module->unwind_header == 0) return false;
    if (!module_read(remote, module->unwind_header, &header, sizeof header)) return false;
    if (!unwind_header_has_table(&header)) return false;
    *ret = (struct search_table){ module->unwind_header, module->unwind_header + sizeof header,
                                  header.count };
    return true;
}

static int on_find_entry(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t *info,
                         int needs_unwind_info, void *context)
{
    struct remote_unwinder *remote = context;
    const struct loaded_module *module = modules_find(remote->modules, ip);
    unw_dyn_info_t dynamic = { .format = UNW_INFO_FORMAT_REMOTE_TABLE };
    struct search_table table;
    int rc = -UNW_ENOINFO;

    if (module && module_holds_code(module, ip) && table_find(remote, module, &table)) {
        dynamic.start_ip = module->low;
        dynamic.end_ip = module->high;
        dynamic.u.rti.segbase = table.header;
        dynamic.u.rti.table_data = table.at;
        dynamic.u.rti.table_len = table.count; /* in words of 8 bytes: as many as pairs */
        rc = libunwind.search_table(space, ip, &dynamic, info, needs_unwind_info, context);
    }
    if (rc < 0) remote->lacks_entry = true;
    return rc < 0 ? -UNW_ENOINFO : rc;
}

static void on_put_entry(unw_addr_space_t space, unw_proc_info_t *info, void *context)
{
    (void)space; /* what search_table allocates, libunwind frees by itself */
    (void)info;
    (void)context;
}

/* Resolves the functions; false if one is not there. */
static bool library_bind(void *library, struct libunwind *ret)
{
    /* clang-format off */
    struct { void *at; const char *name; } functions[] = {
        { &ret->create_addr_space,  "_Ux86_64_create_addr_space" },
        { &ret->destroy_addr_space, "_Ux86_64_destroy_addr_space" },
        { &ret->init_remote,        "_Ux86_64_init_remote" },
        { &ret->step,               "_Ux86_64_step" },
        { &ret->get_reg,            "_Ux86_64_get_reg" },
        { &ret->is_signal_frame,    "_Ux86_64_is_signal_frame" },
        { &ret->set_caching_policy, "_Ux86_64_set_caching_policy" },
        { &ret->set_cache_size,     "_Ux86_64_set_cache_size" },
        { &ret->flush_cache,        "_Ux86_64_flush_cache" },
        { &ret->search_table,       "_Ux86_64_dwarf_search_unwind_table" },
    };
    /* clang-format on */

    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *found = dlsym(library, functions[i].name);

        if (!found) return false;
        memcpy(functions[i].at, &found, sizeof found);
    }
    return true;
}

/* It is never closed: the pipe that it opens when it is first used, and never closes, would
 * otherwise be left behind by every stop, in the host's table where ours is not separate.
 *
 * Sanitizers end a program that asks for RTLD_DEEPBIND; there we go without it, and without the
 * library where the host has its functions. */
static void library_open(void)
{
    int mode = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
    void *library;

    /* It and the loader make these. */
    if (!filters_allow(TRIED_mincore) || !filters_allow(TRIED_pipe2) ||
        !filters_allow(TRIED_pread64))
        return;
    if (!program_is_sanitized())
        mode |= RTLD_DEEPBIND;
    else if (dlsym(RTLD_DEFAULT, "_Ux86_64_step"))
        return;
    library = dlopen("libunwind-x86_64.so.8", mode);
    is_bound = library && library_bind(library, &libunwind);
}

static bool library_is_open(void)
{
    return errand_is_done(&opening) && is_bound;
}

static bool space_open(struct remote_unwinder *remote)
{
    static unw_accessors_t accessors = {
        .find_proc_info = on_find_entry,
        .put_unwind_info = on_put_entry,
        .get_dyn_info_list_addr = on_dynamic_list,
        .access_mem = on_access_mem,
        .access_reg = on_access_reg,
        .access_fpreg = on_access_fpreg,
        .resume = on_resume,
    };

    if (remote->space) return true;
    if (!library_is_open()) return false;
    remote->space = libunwind.create_addr_space(&accessors, 0);
    if (!remote->space) return false;
    libunwind.set_caching_policy(remote->space, UNW_CACHE_GLOBAL);
    libunwind.set_cache_size(remote->space, ROWS_CACHED, 0);
    return true;
}

int remote_unwinder_open(const struct modules *modules, struct remote_unwinder **ret)
{
    struct remote_unwinder *remote = calloc(1, sizeof *remote);

    if (!remote) return -ENOMEM;
    remote->modules = modules;
    remote->pages = calloc(PAGES, sizeof *remote->pages);
    if (!remote->pages) {
        remote_unwinder_close(remote);
        return -ENOMEM;
    }
    if (!program_is_static()) errand_run(&opening, library_open, ERRAND_PATIENCE_NS);
    space_open(remote);
    *ret = remote;
    return 0;
}

struct remote_unwinder *remote_unwinder_close(struct remote_unwinder *remote)
{
    if (!remote) return NULL;
    if (remote->space) libunwind.destroy_addr_space(remote->space);
    free(remote->pages);
    free(remote);
    return NULL;
}

void remote_unwinder_flush(struct remote_unwinder *remote)
{
    if (remote->space) libunwind.flush_cache(remote->space, 0, 0);
    for (uint32_t i = 0; i < PAGES; i++) {
        remote->pages[i].address = 0;
    }
}

bool remote_unwinder_has_library(const struct remote_unwinder *remote)
{
    return remote->space != NULL || library_is_open() || errand_is_under_way(&opening);
}

static bool row_read(struct remote_unwinder *remote, const struct search_table *table,
                     uint32_t index, uint64_t *ret_start)
{
    int32_t start;

    if (!module_read(remote, table->at + index * sizeof(struct unwind_header_row), &start,
                     sizeof start))
        return false;
    *ret_start = table->header + (uint64_t)(int64_t)start;
    return true;
}

/* How many rows begin at the address or before: the last of them is about it. */
static bool rows_until(struct remote_unwinder *remote, const struct search_table *table,
                       uint64_t pc, uint32_t *ret_count)
{
    uint32_t low = 0, high = table->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint64_t start;

        if (!row_read(remote, table, middle, &start)) return false;
        if (start <= pc) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *ret_count = low;
    return true;
}

uint64_t remote_unwinder_function(struct remote_unwinder *remote, uint64_t pc)
{
    const struct loaded_module *module = modules_find(remote->modules, pc);
    struct search_table table;
    uint64_t start;
    uint32_t count;

    if (!module || !table_find(remote, module, &table)) return 0;
    if (!rows_until(remote, &table, pc, &count) || count == 0) return 0;
    return row_read(remote, &table, count - 1, &start) ? start : 0;
}

uint64_t remote_unwinder_function_end(struct remote_unwinder *remote, uint64_t pc)
{
    const struct loaded_module *module = modules_find(remote->modules, pc);
    struct search_table table;
    uint64_t next;
    uint32_t count;

    if (!module || !table_find(remote, module, &table)) return 0;
    if (!rows_until(remote, &table, pc, &count) || count == 0) return 0;
    if (count == table.count) return module_segment_end(module, pc);
    return row_read(remote, &table, count, &next) ? next : 0;
}

bool remote_unwinder_read(struct remote_unwinder *remote, uint64_t address, void *ret, size_t size)
{
    const struct loaded_module *module = modules_find(remote->modules, address);

    if (!module || size > module->high - address) return false;
    if (module_segment_end(module, address) == 0) return false;
    return module_read(remote, address, ret, size);
}

void remote_unwinder_begin(struct remote_unwinder *remote, const struct stack_view *view)
{
    remote->view = view;
    remote->has_cursor = false;
    remote->lacks_register = false;
}

bool remote_unwinder_lacked(const struct remote_unwinder *remote)
{
    return remote->lacks_register;
}

/* One step of the cursor. */
static enum step_result cursor_step(struct remote_unwinder *remote)
{
    int rc;

    remote->lacks_entry = false;
    rc = libunwind.step(&remote->cursor);
    if (remote->lacks_entry || rc < 0) return STEP_OTHER;
    remote->position++;
    return rc == 0 ? STEP_OUTERMOST : STEP_DONE;
}

static bool cursor_open(struct remote_unwinder *remote)
{
    if (remote->has_cursor) return true;
    if (!space_open(remote)) return false;
    if (libunwind.init_remote(&remote->cursor, remote->space, remote) != 0) return false;
    remote->has_cursor = true;
    remote->position = 0;
    return true;
}

/* Brings the cursor to a frame of the walk, and sees that it is that frame. */
static bool cursor_follow(struct remote_unwinder *remote, uint32_t index,
                          const struct frame_state *frame)
{
    unw_word_t pc, sp;

    if (!cursor_open(remote)) return false;
    while (remote->position < index) {
        if (cursor_step(remote) != STEP_DONE) return false;
    }
    return remote->position == index && libunwind.get_reg(&remote->cursor, UNW_REG_IP, &pc) == 0 &&
           pc == frame->pc && libunwind.get_reg(&remote->cursor, UNW_REG_SP, &sp) == 0 &&
           sp == frame->sp;
}

/* What the cursor says of its frame. */
static enum step_result cursor_read(struct remote_unwinder *remote, struct frame_state *ret)
{
    bool lacked = remote->lacks_register;
    unw_word_t pc, sp, rbp = 0;

    if (libunwind.get_reg(&remote->cursor, UNW_REG_IP, &pc) < 0 || pc == 0) return STEP_OUTERMOST;
    if (libunwind.get_reg(&remote->cursor, UNW_REG_SP, &sp) < 0) return STEP_OTHER;
    ret->pc = pc;
    ret->sp = sp;
    ret->has_rbp = libunwind.get_reg(&remote->cursor, UNW_X86_64_RBP, &rbp) == 0;
    ret->rbp = rbp;
    remote->lacks_register = lacked; /* to ask for it is not to need it */
    return STEP_DONE;
}

enum step_result remote_unwinder_step(struct remote_unwinder *remote, uint32_t index,
                                      struct frame_state *frame)
{
    struct frame_state caller = { 0 };
    enum step_result result;

    if (!cursor_follow(remote, index, frame)) return STEP_OTHER;
    caller.is_struck = libunwind.is_signal_frame(&remote->cursor) > 0;
    result = cursor_step(remote);
    if (result == STEP_DONE) result = cursor_read(remote, &caller);
    if (result == STEP_DONE) *frame = caller;
    return result;
}

uint32_t remote_unwinder_walk(struct remote_unwinder *remote, const struct stack_view *view,
                              uint64_t *ret_pcs, uint32_t count_max, bool *ret_complete)
{
    enum step_result result = STEP_DONE;
    uint32_t count = 1;
    unw_word_t pc = 0;

    remote_unwinder_begin(remote, view);
    *ret_complete = false;
    ret_pcs[0] = view->registers[REGISTER_RIP];
    if (!cursor_open(remote)) return 1;
    while (count < count_max) {
        result = cursor_step(remote);
        if (result == STEP_DONE && libunwind.get_reg(&remote->cursor, UNW_REG_IP, &pc) < 0)
            result = STEP_OTHER;
        if (result == STEP_DONE && pc == 0) result = STEP_OUTERMOST;
        if (result != STEP_DONE) break;
        ret_pcs[count++] = pc;
    }
    *ret_complete = result == STEP_OUTERMOST;
    return count;
}

uint64_t remote_unwinder_size(const struct remote_unwinder *remote)
{
    return sizeof *remote + PAGES * sizeof *remote->pages;
}
