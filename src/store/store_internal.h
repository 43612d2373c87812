/* store_internal.h - what the tests of the driver need besides store.h; nobody else includes it. */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include "store/store.h"

/* How hard a commit is pushed to the disk. Everything but FULL loses acknowledged transactions at a
 * power cut; tests/store/test_power_cut.c shows it. */
enum store_sync { STORE_SYNC_FULL, STORE_SYNC_NORMAL, STORE_SYNC_OFF };

/* store_open() with another setting. */
MUST_CHECK enum rc store_open_sync(const char *path, const struct store_schema *schema,
                                   enum store_sync sync, struct store **ret_store, struct err *err);

/* Routes the library's memory through base/mem.h; before its first use, once per process. */
void store_configure_library(void);

#endif
