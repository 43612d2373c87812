/* dataset_card.c - what a person should know about a dataset before trusting what it taught. */
#include "factory/data/dataset.h"

enum { REJECTED_LISTED_MAX = 200, REJECTED_SHOWN_MAX = 20 };

static const enum spec_split SPLITS[] = { SPEC_SPLIT_TRAIN, SPEC_SPLIT_VALIDATION,
                                          SPEC_SPLIT_TEST };

static size_t count_fate(const struct dataset *dataset, size_t source, enum dataset_fate fate)
{
    size_t n = 0;

    for (size_t i = 0; i < dataset->n_rows; i++)
        n += dataset->rows[i].fate == fate && dataset->rows[i].source == source;
    return n;
}

static size_t count_label(const struct spec *spec, const struct dataset *dataset,
                          enum spec_split split, size_t field, size_t label)
{
    size_t n = 0;

    for (size_t i = 0; i < dataset->n_rows; i++) {
        const struct dataset_row *row = &dataset->rows[i];

        n += row->fate == DATASET_KEPT && row->split == split &&
             spec_value_has(&spec->fields[field], row->labels[field], label);
    }
    return n;
}

static void append_sources(struct json_writer *w, const struct dataset *dataset)
{
    json_key(w, "sources");
    json_begin_array(w);
    for (size_t s = 0; s < dataset->n_sources; s++) {
        json_begin_object(w);
        json_key(w, "name");
        json_string(w, dataset->sources[s].name);
        json_key(w, "sha256");
        json_text(w, dataset->sources[s].digest.hex);
        json_key(w, "rows");
        json_i64(w, (int64_t)dataset->sources[s].n_rows);
        for (enum dataset_fate fate = 0; fate <= DATASET_SHARED_NGRAM; fate++) {
            json_key(w, dataset_fate_name(fate));
            json_i64(w, (int64_t)count_fate(dataset, s, fate));
        }
        json_end_object(w);
    }
    json_end_array(w);
}

static void append_labels(struct json_writer *w, const struct spec *spec,
                          const struct dataset *dataset, enum spec_split split)
{
    json_key(w, "labels");
    json_begin_object(w);
    for (size_t f = 0; f < spec->n_fields; f++) {
        json_key_str(w, spec->fields[f].name);
        json_begin_object(w);
        for (size_t label = 0; label < spec->fields[f].n_labels; label++) {
            json_key_str(w, spec->fields[f].labels[label].text);
            json_i64(w, (int64_t)count_label(spec, dataset, split, f, label));
        }
        json_end_object(w);
    }
    json_end_object(w);
}

static void append_rejected(struct json_writer *w, const struct dataset *dataset)
{
    size_t n_listed = 0;

    json_key(w, "left_out"); /* the first REJECTED_LISTED_MAX */
    json_begin_array(w);
    for (size_t i = 0; i < dataset->n_rows && n_listed < REJECTED_LISTED_MAX; i++) {
        const struct dataset_row *row = &dataset->rows[i];

        if (row->fate == DATASET_KEPT)
            continue;
        n_listed++;
        json_begin_object(w);
        json_key(w, "source");
        json_string(w, dataset->sources[row->source].name);
        json_key(w, "line");
        json_i64(w, row->line);
        json_key(w, "fate");
        json_text(w, dataset_fate_name(row->fate));
        json_key(w, "reason");
        json_string(w, row->reason);
        json_end_object(w);
    }
    json_end_array(w);
}

void dataset_append_card(struct buf *out, const struct spec *spec, const struct dataset *dataset)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "rows_read");
    json_i64(&w, (int64_t)dataset->n_rows);
    append_sources(&w, dataset);
    json_key(&w, "splits");
    json_begin_object(&w);
    for (size_t s = 0; s < ARRAY_LEN(SPLITS); s++) {
        json_key(&w, dataset_split_name(SPLITS[s]));
        json_begin_object(&w);
        json_key(&w, "rows");
        json_i64(&w, (int64_t)dataset_count(dataset, SPLITS[s]));
        append_labels(&w, spec, dataset, SPLITS[s]);
        json_end_object(&w);
    }
    json_end_object(&w);
    append_rejected(&w, dataset);
    json_end_object(&w);
}

static void append_label_table(struct buf *out, const struct spec *spec, size_t f,
                               const struct dataset *dataset)
{
    const struct spec_field *field = &spec->fields[f];

    buf_printf(out, "\n%-24.*s %8s %10s %8s\n", STR_ARG(field->name), "train", "validation",
               "test");
    for (size_t label = 0; label < field->n_labels; label++) {
        buf_printf(out, "  %-22.*s", STR_ARG(field->labels[label].text));
        buf_printf(out, " %8zu %10zu %8zu\n",
                   count_label(spec, dataset, SPEC_SPLIT_TRAIN, f, label),
                   count_label(spec, dataset, SPEC_SPLIT_VALIDATION, f, label),
                   count_label(spec, dataset, SPEC_SPLIT_TEST, f, label));
    }
}

static void append_left_out(struct buf *out, const struct dataset *dataset)
{
    size_t n_shown = 0, n_left_out = 0;

    for (size_t i = 0; i < dataset->n_rows; i++) {
        const struct dataset_row *row = &dataset->rows[i];

        if (row->fate == DATASET_KEPT)
            continue;
        n_left_out++;
        if (n_shown == REJECTED_SHOWN_MAX)
            continue;
        if (n_shown++ == 0)
            buf_append_text(out, "\nleft out\n");
        buf_printf(out, "  %.*s:%u: %.*s\n", STR_ARG(dataset->sources[row->source].name), row->line,
                   STR_ARG(row->reason));
    }
    if (n_left_out > n_shown)
        buf_printf(out, "  and %zu more\n", n_left_out - n_shown);
}

void dataset_append_card_text(struct buf *out, const struct spec *spec,
                              const struct dataset *dataset)
{
    buf_printf(out, "%zu rows read: %zu train, %zu validation, %zu test\n", dataset->n_rows,
               dataset_count(dataset, SPEC_SPLIT_TRAIN),
               dataset_count(dataset, SPEC_SPLIT_VALIDATION),
               dataset_count(dataset, SPEC_SPLIT_TEST));
    for (size_t s = 0; s < dataset->n_sources; s++) {
        buf_printf(out, "  %-40.*s %7zu rows", STR_ARG(dataset->sources[s].name),
                   dataset->sources[s].n_rows);
        for (enum dataset_fate fate = DATASET_INVALID; fate <= DATASET_SHARED_NGRAM; fate++)
            if (count_fate(dataset, s, fate) > 0)
                buf_printf(out, ", %zu %s", count_fate(dataset, s, fate), dataset_fate_name(fate));
        buf_append_char(out, '\n');
    }
    for (size_t f = 0; f < spec->n_fields; f++)
        append_label_table(out, spec, f, dataset);
    append_left_out(out, dataset);
}
