/*
 * power_vfs.h - a file layer under the database library that remembers what is really on the disk.
 *
 * Per file it keeps the durable image: what the last fsync left, and the writes since then. A power
 * cut (power_cut) puts into another folder what a disk might hold: the durable image and any subset
 * of the later writes, torn at 512-byte sectors; files whose creation or removal was not made
 * durable are there or not. It also makes the n-th operation fail, and fsync say what we like.
 *
 * After power_install() all databases of the process go through it. Nothing is really fsynced, so a
 * test of thousands of commits takes a second. One thread.
 */
#ifndef TESTS_STORE_POWER_VFS_H
#define TESTS_STORE_POWER_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What becomes of a failing operation. */
enum power_fault {
    POWER_FAULT_NONE,
    POWER_FAULT_IO,   /* an input/output error */
    POWER_FAULT_FULL, /* writes that make a file longer: the disk is full; half of one is written */
    POWER_FAULT_FSYNC, /* only fsyncs are counted and fail */
};

struct power_control {
    size_t n_ops;              /* operations since the last power_reset(); may be set */
    enum power_fault fault;    /* which operations fail, from the fail_at-th on (0 is the first) */
    size_t fail_at, n_failing; /* n_failing: how many in a row; SIZE_MAX: all that follow */
    size_t n_failed;           /* failures so far */
    size_t n_writes, n_syncs;  /* of any file */
    const char *synchronous;   /* not NULL: what `pragma synchronous` is changed to, one digit */
    void (*before_op)(size_t op); /* called before each operation that changes a file; or NULL */
};

extern struct power_control power;

void power_install(void); /* once; before anything else uses the database library */
void power_reset(void);   /* forgets all images, counters and faults; no database is open */

/* Writes into the folder `to` what the disk might hold of the files of the folder `from` after a
 * cut now. The same seed, the same cut. */
void power_cut(const char *from, const char *to, uint64_t seed);
void power_forget(const char *dir); /* the images of the files of a folder */

/* The next number of a small generator: xorshift64*. *state is not 0. */
uint64_t power_random(uint64_t *state);

#endif
