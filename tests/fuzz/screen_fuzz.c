/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes on a terminal: what is put there commands nothing, and is no wider than it may be. */
#include "common/base/own.h"
#include "tests/fuzz/fuzz.h"
#include "tools/cli/screen/screen.h"

#include <locale.h>
#include <string.h>

static void put(const struct screen *screen, struct text text)
{
    OWN(buf_done) struct buf out = BUF_INIT(16 * text.size + 64);
    OWN(buf_done) struct buf cut = BUF_INIT(16 * text.size + 64);

    screen_put(screen, text, &out);
    CHECK(!out.failed && text_is_printable(buf_peek(&out)));
    for (size_t columns = 4; columns < 64; columns += 9) {
        buf_reset(&cut);
        screen_fit(screen, buf_peek(&out), columns, columns % 2 ? FIT_END : FIT_MIDDLE, &cut);
        CHECK(!cut.failed && text_is_printable(buf_peek(&cut)));
        CHECK(screen_columns(screen, buf_peek(&cut)) <= columns);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(buf_done) struct buf document = BUF_INIT(16 * size + 64);
    struct text text = fuzz_text(data, size);

    CHECK(setlocale(LC_CTYPE, "C.UTF-8"));
    put(&(struct screen){ .width = 80, .has_utf8 = true }, text);
    put(&(struct screen){ .width = 80 }, text);
    screen_put_document(text, &document);
    CHECK(!document.failed);
    for (size_t i = 0; i < document.size; i++) {
        CHECK((unsigned char)document.data[i] >= ' ' || strchr("\n\t", document.data[i]));
    }
    return 0;
}
