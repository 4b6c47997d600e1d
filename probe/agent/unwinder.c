/* SPDX-License-Identifier: Apache-2.0 */
/* unwinder.c: libunwind's remote interface, over a copy, with memory and tables of our own.
 *
 * libunwind is opened with dlopen and RTLD_LOCAL, never linked: its _Unwind_* and backtrace must
 * not take the place of the host's. The target is "remote": all that it knows comes through the
 * accessors below.
 *
 * - find_proc_info looks in our own module list, never in the loader's, and lets libunwind search
 *   the module's .eh_frame_hdr, which it reads through
 * - access_mem, which answers from the copy, or from a cache of pages of known modules, filled by
 *   self_read(). A page costs one system call, and unwind tables are read byte by byte.
 * - access_reg refuses registers that are not known (a blocked thread's are not, but for two), and
 *   the walk notes what it lacked.
 *
 * libunwind keeps the rows that it has worked out (UNW_CACHE_GLOBAL); they are flushed with our
 * pages when modules come or go. Where it finds no unwind entry it would follow the frame pointer,
 * which may be anything: such a step is not believed, and ends the walk. */
#include "probe/agent/unwinder.h"

#include "probe/agent/fork_gate.h"
#include "probe/agent/modules.h"
#include "probe/agent/self_memory.h"
#include "probe/agent/unwind_header.h"

#include <dlfcn.h>
#include <errno.h>
#include <libunwind.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE_SIZE_BYTES = 4096,
    PAGES = 256, /* 1 MB: the tables' parts that the stacks of a busy server need */
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

struct unwinder {
    void *library;
    struct libunwind call;
    unw_addr_space_t space;
    struct modules modules;
    struct page *pages; /* by page number, modulo PAGES */
    /* Of the walk under way: */
    const struct stack_view *view;
    bool lacks_entry, lacks_register;
};

/* The page that holds an address of a known module; NULL if it cannot be read. */
static const struct page *page_get(struct unwinder *unwinder, uint64_t address)
{
    uint64_t begin = address & ~(uint64_t)(PAGE_SIZE_BYTES - 1);
    struct page *page = &unwinder->pages[begin / PAGE_SIZE_BYTES % PAGES];

    if (page->address == begin) return page;
    page->size = (uint32_t)self_read(begin, page->bytes, PAGE_SIZE_BYTES);
    page->address = page->size > 0 ? begin : 0;
    return page->size > 0 ? page : NULL;
}

/* Reads `size` bytes of a module, which may span two pages. */
static bool module_read(struct unwinder *unwinder, uint64_t address, void *ret, size_t size)
{
    unsigned char *to = ret;

    while (size > 0) {
        const struct page *page = page_get(unwinder, address);
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
    struct unwinder *unwinder = context;
    const struct loaded_module *module;

    (void)space;
    if (write) return -UNW_EINVAL;
    if (copy_read(unwinder->view, address, value)) return 0;
    module = modules_find(&unwinder->modules, address);
    if (!module || module_segment_end(module, address) == 0) return -UNW_EINVAL;
    return module_read(unwinder, address, value, sizeof *value) ? 0 : -UNW_EINVAL;
}

static int on_access_reg(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int write,
                         void *context)
{
    struct unwinder *unwinder = context;

    (void)space;
    if (write || number < 0 || number >= REGISTERS) return -UNW_EBADREG;
    if (!(unwinder->view->known & REGISTER_BIT(number))) {
        unwinder->lacks_register = true;
        return -UNW_EBADREG;
    }
    *value = unwinder->view->registers[number];
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
struct unwind_table {
    uint64_t header, at;
    uint32_t count;
};

static bool table_find(struct unwinder *unwinder, const struct loaded_module *module,
                       struct unwind_table *ret)
{
    struct unwind_header header;

    if (module->unwind_header == 0) return false;
    if (!module_read(unwinder, module->unwind_header, &header, sizeof header)) return false;
    if (!unwind_header_has_table(&header)) return false;
    *ret = (struct unwind_table){ module->unwind_header, module->unwind_header + sizeof header,
                                  header.count };
    return true;
}

static int on_find_entry(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t *info,
                         int needs_unwind_info, void *context)
{
    struct unwinder *unwinder = context;
    const struct loaded_module *module = modules_find(&unwinder->modules, ip);
    unw_dyn_info_t dynamic = { .format = UNW_INFO_FORMAT_REMOTE_TABLE };
    struct unwind_table table;
    int rc = -UNW_ENOINFO;

    if (module && module_holds_code(module, ip) && table_find(unwinder, module, &table)) {
        dynamic.start_ip = module->low;
        dynamic.end_ip = module->high;
        dynamic.u.rti.segbase = table.header;
        dynamic.u.rti.table_data = table.at;
        dynamic.u.rti.table_len = table.count; /* in words of 8 bytes: as many as pairs */
        rc = unwinder->call.search_table(space, ip, &dynamic, info, needs_unwind_info, context);
    }
    if (rc < 0) unwinder->lacks_entry = true;
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

/* It is never unloaded: the pipe that it opens when it is first used, and never closes, would
 * otherwise be left behind by every stop, in the host's table where ours is not separate. */
static bool library_open(struct unwinder *unwinder)
{
    bool is_bound;

    fork_gate_enter_late();
    unwinder->library = dlopen("libunwind-x86_64.so.8", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    is_bound = unwinder->library && library_bind(unwinder->library, &unwinder->call);
    fork_gate_leave();
    return is_bound;
}

static int unwinder_init(struct unwinder *unwinder)
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

    unwinder->pages = calloc(PAGES, sizeof *unwinder->pages);
    if (!unwinder->pages) return -ENOMEM;
    modules_refresh(&unwinder->modules);
    if (!library_open(unwinder)) return 0;
    unwinder->space = unwinder->call.create_addr_space(&accessors, 0);
    if (!unwinder->space) return -ENOMEM;
    unwinder->call.set_caching_policy(unwinder->space, UNW_CACHE_GLOBAL);
    unwinder->call.set_cache_size(unwinder->space, ROWS_CACHED, 0);
    return 0;
}

int unwinder_open(struct unwinder **ret)
{
    struct unwinder *unwinder = calloc(1, sizeof *unwinder);
    int rc;

    if (!unwinder) return -ENOMEM;
    rc = unwinder_init(unwinder);
    if (rc < 0) {
        unwinder_close(unwinder);
        return rc;
    }
    *ret = unwinder;
    return 0;
}

struct unwinder *unwinder_close(struct unwinder *unwinder)
{
    if (!unwinder) return NULL;
    if (unwinder->space) unwinder->call.destroy_addr_space(unwinder->space);
    if (unwinder->library) {
        fork_gate_enter_late();
        dlclose(unwinder->library);
        fork_gate_leave();
    }
    modules_done(&unwinder->modules);
    free(unwinder->pages);
    free(unwinder);
    return NULL;
}

void unwinder_refresh(struct unwinder *unwinder)
{
    if (!modules_refresh(&unwinder->modules)) return;
    if (unwinder->space) unwinder->call.flush_cache(unwinder->space, 0, 0);
    for (uint32_t i = 0; i < PAGES; i++) {
        unwinder->pages[i].address = 0;
    }
}

bool unwinder_has_library(const struct unwinder *unwinder)
{
    return unwinder->space != NULL;
}

const struct modules *unwinder_modules(const struct unwinder *unwinder)
{
    return &unwinder->modules;
}

uint64_t unwinder_function(struct unwinder *unwinder, uint64_t pc)
{
    const struct loaded_module *module = modules_find(&unwinder->modules, pc);
    struct unwind_table table;
    uint32_t low = 0, high;
    int32_t start, found = 0;

    if (!module || !table_find(unwinder, module, &table)) return 0;
    high = table.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (!module_read(unwinder, table.at + middle * sizeof(struct unwind_row), &start,
                         sizeof start))
            return 0;
        if (table.header + (uint64_t)(int64_t)start <= pc) {
            found = start;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 ? table.header + (uint64_t)(int64_t)found : 0;
}

/* Notes the frame at the cursor; the walk goes on from there. */
static void walk_add(struct unwinder *unwinder, struct walk *walk, uint64_t pc)
{
    walk->frames[walk->count++] = (struct walk_frame){ pc, unwinder_function(unwinder, pc) };
}

/* Did the frame with these bounds call begin? Its part of the stack holds the anchor, and it is of
 * the function that begin returned to. */
static bool is_begin_frame(struct unwinder *unwinder, const struct walk *walk, uint64_t sp,
                           uint64_t caller_sp)
{
    const struct stack_view *view = unwinder->view;

    if (view->anchor_sp < sp || view->anchor_sp >= caller_sp) return false;
    return walk->frames[walk->count - 1].function == unwinder_function(unwinder, view->anchor_pc);
}

/* Steps until the end. Returns whether the outermost frame was reached. */
static bool walk_steps(struct unwinder *unwinder, unw_cursor_t *cursor, struct walk *walk)
{
    const struct libunwind *call = &unwinder->call;
    uint64_t sp = unwinder->view->registers[REGISTER_RSP];

    while (walk->count < WALK_FRAMES_MAX) {
        bool is_signal = call->is_signal_frame(cursor) > 0;
        unw_word_t pc, caller_sp;
        int rc;

        unwinder->lacks_entry = false;
        rc = call->step(cursor);
        if (unwinder->lacks_entry || rc < 0) return false;
        if (rc == 0) return true;
        if (call->get_reg(cursor, UNW_REG_IP, &pc) < 0 || pc == 0) return true;
        if (call->get_reg(cursor, UNW_REG_SP, &caller_sp) < 0) return false;
        if (caller_sp <= sp && !is_signal) return false; /* no progress: not a stack */
        walk->reached_begin |= is_begin_frame(unwinder, walk, sp, caller_sp);
        walk_add(unwinder, walk, is_signal ? pc : pc - 1);
        walk->end_sp = sp = caller_sp;
    }
    return false;
}

void unwinder_walk(struct unwinder *unwinder, const struct stack_view *view, struct walk *ret)
{
    unw_cursor_t cursor;

    ret->count = 0;
    ret->is_complete = ret->reached_begin = ret->lacks_register = false;
    unwinder->view = view;
    ret->end_sp = view->registers[REGISTER_RSP];
    unwinder->lacks_register = false;
    walk_add(unwinder, ret, view->registers[REGISTER_RIP]);
    if (unwinder->space && unwinder->call.init_remote(&cursor, unwinder->space, unwinder) == 0)
        ret->is_complete = walk_steps(unwinder, &cursor, ret);
    ret->lacks_register = !ret->is_complete && unwinder->lacks_register;
    unwinder->view = NULL;
}

bool unwinder_read(struct unwinder *unwinder, uint64_t address, void *ret, size_t size)
{
    const struct loaded_module *module = modules_find(&unwinder->modules, address);

    if (!module || size > module->high - address) return false;
    if (module_segment_end(module, address) == 0) return false;
    return module_read(unwinder, address, ret, size);
}

uint64_t unwinder_size(const struct unwinder *unwinder)
{
    return sizeof *unwinder + PAGES * sizeof *unwinder->pages + modules_size(&unwinder->modules);
}
