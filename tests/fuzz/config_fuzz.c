/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as stakeoutd's file of settings: they are taken, or a sentence says which line is not.
 * No password of a URL that was taken is shown. */
#include "scheduler/config.h"
#include "tests/fuzz/fuzz_file.h"

/* As `--check-config` prints them. */
static void mask_all(const struct config_origins *origins)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        OWN(buf_done) struct buf shown = BUF_INIT(4 * CONFIG_TEXT_SIZE_MAX);

        if (origins->values[i]) setting_mask(origins->values[i], &shown);
        CHECK(!shown.failed);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(fuzz_file_done) struct fuzz_file file = fuzz_file_make(fuzz_text(data, size));
    struct config_origins origins = { 0 };
    struct problem problem = { 0 };
    struct config config;

    if (config_read(3, (char *[]){ "stakeoutd", "--config", file.path, NULL }, &config, &origins,
                    &problem) == CONFIG_REFUSED)
        fuzz_check_problem(&problem);
    mask_all(&origins);
    config_origins_done(&origins);
    return 0;
}
