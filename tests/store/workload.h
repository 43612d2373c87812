/*
 * workload.h - each database of ours as a sequence of acknowledged steps, for the tests that cut
 * the power and break the disk.
 *
 * Step i can be repeated: done twice it is there once. workload_present() reads back how many of
 * the steps are there; they are there in order, without a gap and each whole, or it says what is
 * wrong.
 */
#ifndef TESTS_STORE_WORKLOAD_H
#define TESTS_STORE_WORKLOAD_H

#include "record/record.h"
#include "registry/journal.h"
#include "registry/registry.h"
#include "tests/support/temp.h"

struct workload {
    const struct workload_kind *kind;
    struct temp_dir dir; /* of the artifacts */
    struct artifact_store *artifacts;
    struct digest parts; /* of every manifest: one artifact is enough here */
    struct registry *registry;
    struct record *record;
    struct journal *journal;
    int64_t now_ms;
};

struct workload_kind {
    const char *name;
    enum rc (*open)(struct workload *w, const char *path, struct err *err);
    enum rc (*step)(struct workload *w, size_t i, struct err *err);
    enum rc (*present)(struct workload *w, size_t *ret_n, struct err *err);
};

extern const struct workload_kind workload_kinds[]; /* registry, record, journal */
enum { WORKLOAD_KINDS = 3 };

void workload_init(struct workload *w, const struct workload_kind *kind);
void workload_release(struct workload *w);
void workload_close(struct workload *w); /* the database; accepts one that is not open */

#endif
