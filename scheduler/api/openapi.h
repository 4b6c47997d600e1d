/* SPDX-License-Identifier: Apache-2.0 */
/* openapi.h: this API described for programs (OpenAPI 3.1), made from the tables. */
#ifndef STAKEOUT_SCHEDULER_API_OPENAPI_H
#define STAKEOUT_SCHEDULER_API_OPENAPI_H

#include <stddef.h>

/* The whole document as text; freed with free(). The same at every call. */
char *openapi_print(size_t *ret_size);

#endif
