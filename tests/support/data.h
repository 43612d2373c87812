/*
 * data.h - where tests find what the project does not contain: the shared data sets and the bases.
 *
 * All skip the running test when the variable is not set, and fail it instead when CI=true: there
 * a skipped test is a failure.
 */
#ifndef TESTS_SUPPORT_DATA_H
#define TESTS_SUPPORT_DATA_H

#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline const char *path_below(const char *variable, const char *name, char path[4096])
{
    const char *dir = getenv(variable);

    if (!dir || !*dir) {
        const char *ci = getenv("CI");
        if (ci && strcmp(ci, "true") == 0)
            fail_msg("%s is not set", variable);
        skip();
    }
    snprintf(path, 4096, "%s/%s", dir, name);
    return path;
}

/* test_data_path("dmn-tck/feel.jsonl", path) below SHOAL_TEST_DATA. */
static inline const char *test_data_path(const char *name, char path[4096])
{
    return path_below("SHOAL_TEST_DATA", name, path);
}

/* test_base_path("model.safetensors", path) below SHOAL_TEST_BASE, the folder of all-minilm-l6-v2.
 */
static inline const char *test_base_path(const char *name, char path[4096])
{
    return path_below("SHOAL_TEST_BASE", name, path);
}

/* test_decoder_path("model.gguf", path) below SHOAL_TEST_DECODER, the folder of
 * smollm2-135m-instruct. */
static inline const char *test_decoder_path(const char *name, char path[4096])
{
    return path_below("SHOAL_TEST_DECODER", name, path);
}

/* test_source_path("tests/golden/x.json", path) below the project's own sources. */
static inline const char *test_source_path(const char *name, char path[4096])
{
    return path_below("SHOAL_SOURCE", name, path);
}

#endif
