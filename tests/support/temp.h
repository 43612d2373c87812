/*
 * temp.h - a folder of its own for one test, made in set-up and removed in tear-down.
 */
#ifndef TESTS_SUPPORT_TEMP_H
#define TESTS_SUPPORT_TEMP_H

#include "tests/support/test.h"

#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEMP_PATH_MAX = 512 };

struct temp_dir {
    char path[128];
};

static inline void temp_dir_make(struct temp_dir *dir)
{
    const char *parent = getenv("TMPDIR");

    snprintf(dir->path, sizeof(dir->path), "%s/shoal-test-XXXXXX", parent ? parent : "/tmp");
    assert_non_null(mkdtemp(dir->path));
}

static inline void temp_dir_remove(const struct temp_dir *dir)
{
    struct err err;

    if (fs_remove_tree(dir->path, &err))
        fail_msg("%s", err.message);
}

static inline const char *temp_path(const struct temp_dir *dir, const char *name,
                                    char path[TEMP_PATH_MAX])
{
    snprintf(path, TEMP_PATH_MAX, "%s/%s", dir->path, name);
    return path;
}

/* For calls that must succeed: fails the test with the error's sentence. */
#define assert_ok(call, err)                                                      \
    do {                                                                          \
        if (call)                                                                 \
            fail_msg("%s:%d: %s: %s", __FILE__, __LINE__, #call, (err)->message); \
    } while (0)

#endif
