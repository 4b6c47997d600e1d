/* SPDX-License-Identifier: Apache-2.0 */
/* name.h: names of C++ functions, in the longest form that fits.
 *
 *     name_fit(&screen, name, 32, &out)
 *
 *     shop::Cart<Item>::total(std::string const&) const     as the demangler wrote it, tidied
 *     shop::Cart<Item>::total                               without return type and arguments
 *     shop::Cart<>::total                                   without what fills its templates
 *     Cart<>::total                                         the last two parts
 *     total                                                 the last part
 *     tot...                                                what is left of it
 *
 * operator<, operator() and operator-> are no brackets. Names of C stay as they are. */
#ifndef STAKEOUT_TOOLS_CLI_SCREEN_NAME_H
#define STAKEOUT_TOOLS_CLI_SCREEN_NAME_H

#include "tools/cli/screen/screen.h"

enum name_form {
    NAME_TIDY,
    NAME_BARE,
    NAME_PLAIN, /* no template arguments */
    NAME_LAST_TWO,
    NAME_LAST,
    NAME_FORM_COUNT
};

/* Writes one form of the name. Text in, text out: nothing is escaped. */
void name_write(struct text name, enum name_form form, struct buf *to);

/* Appends the longest form, escaped, of at most `columns`; not padded. `from` is the longest
 * form that is wanted: NAME_BARE in tables. Returns the columns used. */
size_t name_fit(const struct screen *screen, struct text name, enum name_form from, size_t columns,
                struct buf *to);

#endif
