/* dataset_internal.h - the stages of dataset_make(). */
#ifndef FACTORY_DATASET_INTERNAL_H
#define FACTORY_DATASET_INTERNAL_H

#include "factory/data/dataset.h"

MUST_CHECK enum rc dataset_read(const struct spec *spec, const struct dataset_options *options,
                                struct arena *arena, struct dataset *dataset, struct err *err);

/* One row {"id", "input", "output", "tags"} into *row; what is wrong with it becomes its fate. */
MUST_CHECK enum rc dataset_read_row(const struct spec *spec, const struct json *tree,
                                    struct arena *arena, struct dataset_row *row, struct err *err);

/* Rule (2), before and after the split; and rule (4). scratch is released by the caller. */
MUST_CHECK enum rc dataset_drop_equal(const struct spec *spec, struct dataset *dataset,
                                      struct arena *arena, struct err *err);
MUST_CHECK enum rc dataset_split(const struct spec *spec, uint64_t seed, struct dataset *dataset,
                                 struct arena *scratch, struct err *err);
MUST_CHECK enum rc dataset_drop_leaks(const struct spec *spec, struct dataset *dataset,
                                      struct arena *arena, struct arena *scratch, struct err *err);

/* Sets the fate of a row and says why: "... line 12". */
MUST_CHECK enum rc dataset_reject(struct dataset_row *row, enum dataset_fate fate,
                                  struct arena *arena, struct err *err, const char *fmt, ...)
    PRINTF_LIKE(5, 6);

/* FNV-1a, finished by a mixer; never 0. */
uint64_t dataset_hash(struct str text);

#endif
