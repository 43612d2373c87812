/* dataset_split.c - rule (3): who is held out. */
#include "factory/data/dataset_internal.h"

#include <math.h>
#include <stdlib.h>

/* A row or a whole group that goes to one split. */
struct unit {
    uint64_t stratum; /* see stratum_of(); 0 for groups: they are one stratum */
    uint64_t order; /* from seed and text: a fair draw that the order of the file does not touch */
    uint64_t group;
    struct dataset_row *row;
};

/* Rows of one combination of labels. Of a set its size counts alone: most sets are too rare for a
 * share of their own. */
static uint64_t stratum_of(const struct spec *spec, const struct dataset_row *row)
{
    uint32_t labels[SPEC_FIELDS_MAX];

    for (size_t f = 0; f < spec->n_fields; f++)
        labels[f] =
            spec->fields[f].is_set ? (uint32_t)__builtin_popcount(row->labels[f]) : row->labels[f];
    return dataset_hash((struct str){ (const char *)labels, spec->n_fields * sizeof(*labels) });
}

static uint64_t mix(uint64_t seed, uint64_t value)
{
    uint64_t h = (seed ^ value) * 0x9E3779B97F4A7C15u;

    h ^= h >> 31;
    h *= 0xBF58476D1CE4E5B9u;
    return h ^ (h >> 29);
}

static int compare_units(const void *a, const void *b)
{
    const struct unit *x = a, *y = b;

    if (x->stratum != y->stratum)
        return x->stratum < y->stratum ? -1 : 1;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return str_compare(x->row->text, y->row->text);
}

static bool is_pinned(const struct spec *spec, enum spec_split split)
{
    for (size_t s = 0; s < spec->n_data; s++)
        if (spec->data[s].split == split)
            return true;
    return false;
}

/* Deals the units [0, n) of one stratum: the first share to test, the next to validation, the rest
 * to train. A group stays with its first row. */
static void deal(struct unit *units, size_t n, const struct spec_shares *shares)
{
    size_t n_test = (size_t)floor((double)n * shares->test + 0.5);
    size_t n_held = n_test + (size_t)floor((double)n * shares->validation + 0.5);

    for (size_t i = 0; i < n; i++) {
        bool goes_on = i > 0 && units[i].group != 0 && units[i].group == units[i - 1].group;

        units[i].row->split = goes_on      ? units[i - 1].row->split
                              : i < n_test ? SPEC_SPLIT_TEST
                              : i < n_held ? SPEC_SPLIT_VALIDATION
                                           : SPEC_SPLIT_TRAIN;
    }
}

enum rc dataset_split(const struct spec *spec, uint64_t seed, struct dataset *dataset,
                      struct arena *scratch, struct err *err)
{
    struct unit *units = arena_array(scratch, struct unit, dataset->n_rows + 1);
    struct spec_shares shares = spec->split;
    size_t n = 0;

    if (!units)
        return arena_fail(scratch, err, "split");
    if (is_pinned(spec, SPEC_SPLIT_TEST))
        shares.test = 0.0;
    if (is_pinned(spec, SPEC_SPLIT_VALIDATION))
        shares.validation = 0.0;
    for (size_t i = 0; i < dataset->n_rows; i++) {
        struct dataset_row *row = &dataset->rows[i];
        uint64_t group = row->group_hash;

        if (row->fate != DATASET_KEPT || row->split != SPEC_SPLIT_NONE)
            continue;
        units[n++] = (struct unit){ .stratum = group ? 0 : stratum_of(spec, row),
                                    .order = mix(seed, group ? group : row->text_hash),
                                    .group = group,
                                    .row = row };
    }
    qsort(units, n, sizeof(*units), compare_units);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && units[to].stratum == units[from].stratum; to++)
            ;
        deal(units + from, to - from, &shares);
    }
    return RC_OK;
}
