#include "base/exact_math.h"
#include "engine/linear/linear.h"
#include "engine/linear/linear_internal.h"

#include <math.h>
#include <stdbool.h>

enum { ROWS_FOR_MIN_COUNT_2 = 1000 };

/* One entry per text and feature: the hashes of all texts, each text's without repeats, sorted. */
static enum rc collect(const struct str *texts, size_t n_texts, struct arena *scratch,
                       uint32_t **ret_hashes, size_t *ret_n, struct err *err)
{
    uint32_t **lists = arena_array(scratch, uint32_t *, n_texts + 1);
    size_t *lengths = arena_array(scratch, size_t, n_texts + 1);
    size_t total = 0;

    if (!lists || !lengths)
        return arena_fail(scratch, err, "features");
    for (size_t t = 0; t < n_texts; t++) {
        struct arena text_arena;
        uint32_t *hashes;
        size_t n, kept = 0;

        arena_init(&text_arena, 64 * (size_t)LINEAR_TEXT_BYTES_MAX + 4096);
        enum rc rc = linear_hash_text(texts[t], &text_arena, &hashes, &n, err);
        if (rc == RC_OK) {
            for (size_t i = 0; i < n; i++)
                if (i == 0 || hashes[i] != hashes[i - 1])
                    hashes[kept++] = hashes[i];
            lists[t] = arena_array(scratch, uint32_t, kept + 1);
            if (lists[t])
                memcpy(lists[t], hashes, kept * sizeof(*hashes));
            else
                rc = arena_fail(scratch, err, "features");
        }
        arena_release(&text_arena);
        if (rc)
            return err_context(err, "row %zu", t);
        lengths[t] = kept;
        total += kept;
    }

    uint32_t *all = arena_array(scratch, uint32_t, total + 1);
    uint32_t *spare = arena_array(scratch, uint32_t, total + 1);

    if (!all || !spare)
        return arena_fail(scratch, err, "features");
    size_t at = 0;
    for (size_t t = 0; t < n_texts; at += lengths[t++])
        memcpy(all + at, lists[t], lengths[t] * sizeof(*all));
    linear_sort(all, spare, total);
    *ret_hashes = all;
    *ret_n = total;
    return RC_OK;
}

static size_t run_length(const uint32_t *sorted, size_t n, size_t at)
{
    size_t end = at + 1;

    while (end < n && sorted[end] == sorted[at])
        end++;
    return end - at;
}

static size_t count_kept(const uint32_t *sorted, size_t n, size_t count_min)
{
    size_t kept = 0;

    for (size_t at = 0, length; at < n; at += length) {
        length = run_length(sorted, n, at);
        kept += length >= count_min;
    }
    return kept;
}

enum rc linear_vocabulary_count(const struct str *texts, size_t n_texts, size_t features_max,
                                struct arena *scratch, struct arena *arena,
                                struct linear_vocabulary *ret_vocabulary, struct err *err)
{
    uint32_t *sorted = NULL;
    size_t n = 0;

    ASSERT(features_max >= 1 && features_max <= LINEAR_FEATURES_MAX);
    enum rc rc = collect(texts, n_texts, scratch, &sorted, &n, err);
    if (rc)
        return rc;

    size_t count_min = n_texts >= ROWS_FOR_MIN_COUNT_2 ? 2 : 1;
    size_t n_features = count_kept(sorted, n, count_min);

    while (n_features > features_max)
        n_features = count_kept(sorted, n, ++count_min);
    if (n_features == 0)
        return err_set(err, RC_INVALID, "%zu rows hold no feature that repeats", n_texts);

    uint32_t *hashes = arena_array(arena, uint32_t, n_features);
    float *idf = arena_array(arena, float, n_features);

    if (!hashes || !idf)
        return arena_fail(arena, err, "vocabulary");
    size_t kept = 0;
    for (size_t at = 0, length; at < n; at += length) {
        length = run_length(sorted, n, at);
        if (length < count_min)
            continue;
        hashes[kept] = sorted[at];
        idf[kept++] = (float)(exact_ln((1.0 + (double)n_texts) / (1.0 + (double)length)) + 1.0);
    }
    *ret_vocabulary = (struct linear_vocabulary){ n_features, hashes, idf };
    return RC_OK;
}

/* The place of hash, or n_features. */
static size_t find(const struct linear_vocabulary *v, uint32_t hash)
{
    size_t low = 0, high = v->n_features;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (v->hashes[middle] < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low < v->n_features && v->hashes[low] == hash ? low : v->n_features;
}

/* Scales value[from, to) to length 1. */
static void normalise(float *value, size_t from, size_t to)
{
    double square = 0.0;

    for (size_t i = from; i < to; i++)
        square += (double)value[i] * (double)value[i];
    for (size_t i = from; i < to; i++)
        value[i] = (float)((double)value[i] / sqrt(square)); /* sqrt is exact by IEEE 754 */
}

enum rc linear_featurize(const struct linear_vocabulary *vocabulary, struct str text,
                         struct arena *arena, struct linear_features *ret_features, struct err *err)
{
    uint32_t *hashes;
    size_t n_hashes;
    enum rc rc = linear_hash_text(text, arena, &hashes, &n_hashes, err);

    if (rc)
        return rc;
    uint32_t *index = arena_array(arena, uint32_t, n_hashes + 1);
    float *value = arena_array(arena, float, n_hashes + 1);
    if (!index || !value)
        return arena_fail(arena, err, "features of a text");

    size_t n = 0, n_words = 0; /* word features come first: their top bit is 0 */
    for (size_t at = 0, length; at < n_hashes; at += length) {
        size_t found = find(vocabulary, hashes[at]);

        length = run_length(hashes, n_hashes, at);
        if (found == vocabulary->n_features)
            continue;
        index[n] = (uint32_t)found;
        value[n] = (float)((1.0 + exact_ln((double)length)) * (double)vocabulary->idf[found]);
        n++;
        if (hashes[at] >> LINEAR_BLOCK_BIT == 0)
            n_words = n;
    }
    normalise(value, 0, n_words);
    normalise(value, n_words, n);
    *ret_features = (struct linear_features){ n, index, value };
    return RC_OK;
}

void linear_scores(const struct linear_head *head, const struct linear_features *features,
                   float *scores)
{
    size_t n_classes = head->n_classes;

    memcpy(scores, head->bias, n_classes * sizeof(*scores));
    for (size_t i = 0; i < features->n; i++) {
        const float *row = head->weights + features->index[i] * n_classes;
        float value = features->value[i];

        for (size_t k = 0; k < n_classes; k++)
            scores[k] += value * row[k];
    }
    if (head->is_set)
        linear_check_odds(scores, n_classes);
    else
        linear_log_softmax(scores, n_classes, scores);
}
