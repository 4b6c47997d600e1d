/* SPDX-License-Identifier: Apache-2.0 */
/* demangle.h: C++ names (and Rust's older ones) as people write them. In the worker alone: a
 * demangler is a parser of a stranger's text. */
#ifndef STAKEOUT_SCHEDULER_SYMBOLS_WORKER_DEMANGLE_H
#define STAKEOUT_SCHEDULER_SYMBOLS_WORKER_DEMANGLE_H

/* The demangled name, owned by the caller (free()), or NULL if this is no mangled name. */
char *name_demangle(const char *name);

#endif
