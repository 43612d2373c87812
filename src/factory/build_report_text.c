/* build_report_text.c - a report as a person reads it in a terminal. */
#include "factory/build.h"

#include "base/json.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>

enum {
    REPORT_ARENA_BYTES = 64 << 20,
    NAME_WIDTH = 18,
    BAR_WIDTH = 24,
    CONFUSION_LABELS_MAX = 16, /* a wider matrix is shown as its worst confusions */
    CONFUSIONS_SHOWN_MAX = 10,
};

static double number(const struct json *object, const char *key)
{
    const struct json *v = object ? json_find(object, key) : NULL;
    double value = NAN;

    if (v && !json_to_double(v, &value))
        return NAN;
    return value;
}

static struct str text(const struct json *object, const char *key)
{
    const struct json *v = object ? json_find(object, key) : NULL;

    return v && v->type == JSON_STRING ? v->text : (struct str){ 0 };
}

static bool is_true(const struct json *object, const char *key)
{
    const struct json *v = json_find(object, key);

    return v && v->boolean;
}

/* The member, when it is of that type. */
static const struct json *find(const struct json *v, const char *key, enum json_type type)
{
    const struct json *member = json_find(v, key);

    return member && member->type == type ? member : NULL;
}

/* Padded to a width in characters, cut with a dot behind it. */
static void append_name(struct buf *out, struct str name, size_t width)
{
    size_t n = 0;

    for (const char *at = name.at, *end = str_end(name); at < end && n < width; n++) {
        uint32_t c;
        size_t len = utf8_decode(at, end, &c);

        if (n + 1 == width && at + len < end)
            buf_append_char(out, '.');
        else
            buf_append(out, at, len);
        at += len;
    }
    for (; n < width; n++)
        buf_append_char(out, ' ');
}

/* Eighths of a block, so that a bar of 24 characters shows steps of half a percent. */
static void append_bar(struct buf *out, double share, size_t width)
{
    static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
    double clipped = share > 1.0 ? 1.0 : share > 0.0 ? share : 0.0; /* NaN: empty */
    size_t filled = (size_t)(clipped * (double)width * 8.0 + 0.5);
    size_t n = 0;

    for (; n < filled / 8; n++)
        buf_append_text(out, "█");
    if (filled % 8 > 0) {
        buf_append_text(out, eighths[filled % 8]);
        n++;
    }
    for (; n < width; n++)
        buf_append_char(out, ' ');
}

static void append_interval(struct buf *out, const struct json *object, const char *key,
                            const char *fmt_sign)
{
    const struct json *v = object ? json_find(object, key) : NULL;
    double low = NAN, high = NAN;
    bool is_read = v && v->type == JSON_ARRAY && v->n == 2 && json_to_double(&v->items[0], &low) &&
                   json_to_double(&v->items[1], &high);

    if (!is_read)
        buf_append_text(out, "                ");
    else if (*fmt_sign)
        buf_printf(out, "[%+.3f, %+.3f]", low, high);
    else
        buf_printf(out, "[%.3f, %.3f]", low, high);
}

/* A table of scores: what stands above it, and the members of the report in its columns. */
struct score_table {
    const char *head, *leading, *interval, *second;
};

static const struct score_table label_scores = { "macro-F1  95 %            accuracy", "macro_f1",
                                                 "macro_f1_interval", "accuracy" };
static const struct score_table set_scores = { "set-F1    95 %            exact   ", "set_f1",
                                               "set_f1_interval", "accuracy" };
static const struct score_table value_scores = { "accuracy  95 %            of answers", "accuracy",
                                                 "accuracy_interval", "precision" };
static const struct score_table text_scores = { "1st try  95 %             answered",
                                                "first_attempt", "first_attempt_interval",
                                                "coverage" };

static const struct score_table *table_of(const struct json *field)
{
    if (json_find(field, "set_f1"))
        return &set_scores;
    return json_find(field, "macro_f1") ? &label_scores : &value_scores;
}

static void append_score_line(struct buf *out, const struct score_table *table, const char *name,
                              const struct json *scores, bool is_floor)
{
    buf_append_text(out, "    ");
    append_name(out, str_of(name), NAME_WIDTH);
    buf_printf(out, "  %.3f ", number(scores, table->leading));
    append_interval(out, scores, table->interval, "");
    buf_printf(out, "   %.3f", number(scores, table->second));
    if (is_floor) {
        buf_printf(out, "    %+.3f ", number(scores, "gain"));
        append_interval(out, scores, "gain_interval", "+");
        buf_printf(out, "  p=%.2g", number(scores, "mcnemar_p"));
    }
    buf_append_char(out, '\n');
}

/* This version and its floors, a line each. */
static void append_score_table(struct buf *out, const struct score_table *table,
                               const struct json *scores)
{
    static const char *const floors[] = { "production", "prompted", "linear", "rules", "majority" };
    static const char *const names[] = { "production", "prompted", "linear", "rules only",
                                         "majority" };
    const struct json *all = find(scores, "floors", JSON_OBJECT);

    buf_printf(out, "                        %s  gain over it  95 %%, paired\n", table->head);
    append_score_line(out, table, "this version", scores, false);
    for (size_t i = 0; all && i < ARRAY_LEN(floors); i++)
        if (json_find(all, floors[i]))
            append_score_line(out, table, names[i], json_find(all, floors[i]), true);
}

static void append_scores(struct buf *out, const struct json *field)
{
    bool is_set = json_find(field, "set_f1") != NULL;

    append_score_table(out, table_of(field), field);
    if (json_find(field, is_set ? "macro_f1" : "balanced_accuracy"))
        buf_printf(out, "    %s %.3f\n", is_set ? "macro-F1" : "balanced accuracy",
                   number(field, is_set ? "macro_f1" : "balanced_accuracy"));
    buf_printf(out,
               "    calibration error %.3f, temperature %.2f, answers given from %.3f on: "
               "precision %.3f ",
               number(field, "ece"), number(field, "temperature"), number(field, "threshold"),
               number(field, "precision"));
    append_interval(out, field, "precision_interval", "");
    if (!is_true(field, "precision_is_guaranteed"))
        buf_append_text(out,
                        "\n    (the target precision is an estimate: too few validation rows to "
                        "promise it)");
    buf_append_text(out, "\n\n");
}

static void append_classes(struct buf *out, const struct json *field)
{
    const struct json *classes = find(field, "classes", JSON_ARRAY);

    buf_append_text(out, "    class               F1                              precision  recall"
                         "   rows\n");
    for (size_t k = 0; classes && k < classes->n; k++) {
        const struct json *c = &classes->items[k];

        buf_append_text(out, "    ");
        append_name(out, text(c, "label"), NAME_WIDTH);
        buf_append_text(out, "  ");
        append_bar(out, number(c, "f1"), BAR_WIDTH);
        buf_printf(out, " %.2f       %.2f    %.2f  %5.0f\n", number(c, "f1"),
                   number(c, "precision"), number(c, "recall"), number(c, "rows"));
    }
    buf_append_char(out, '\n');
}

static int64_t count_at(const struct json *confusion, size_t truth, size_t answer)
{
    int64_t n = 0;

    if (truth < confusion->n && confusion->items[truth].type == JSON_ARRAY &&
        answer < confusion->items[truth].n &&
        json_to_i64(&confusion->items[truth].items[answer], &n))
        return n;
    return 0;
}

/* The k largest counts off the diagonal. */
static void append_worst(struct buf *out, const struct json *classes, const struct json *confusion)
{
    int64_t below = INT64_MAX;
    size_t n_shown = 0;

    buf_append_text(out, "    most often taken for another\n");
    while (n_shown < CONFUSIONS_SHOWN_MAX) {
        int64_t highest = 0;

        for (size_t t = 0; t < confusion->n; t++)
            for (size_t a = 0; a < classes->n; a++)
                if (a != t && count_at(confusion, t, a) < below &&
                    count_at(confusion, t, a) > highest)
                    highest = count_at(confusion, t, a);
        if (highest == 0)
            break;
        for (size_t t = 0; t < confusion->n; t++)
            for (size_t a = 0; a < classes->n; a++)
                if (a != t && count_at(confusion, t, a) == highest &&
                    n_shown++ < CONFUSIONS_SHOWN_MAX)
                    buf_printf(out, "    %5d  %.*s -> %.*s\n", (int)highest,
                               STR_ARG(text(&classes->items[t], "label")),
                               STR_ARG(text(&classes->items[a], "label")));
        below = highest;
    }
    buf_append_char(out, '\n');
}

static void append_confusion(struct buf *out, const struct json *field)
{
    const struct json *classes = find(field, "classes", JSON_ARRAY);
    const struct json *confusion = find(field, "confusion", JSON_ARRAY);

    if (!classes || !confusion || confusion->n != classes->n)
        return;
    if (classes->n > CONFUSION_LABELS_MAX) {
        append_worst(out, classes, confusion);
        return;
    }
    buf_append_text(out, "    truth \\ answer    ");
    for (size_t a = 0; a < classes->n; a++) {
        buf_append_char(out, ' ');
        append_name(out, text(&classes->items[a], "label"), 6);
    }
    buf_append_text(out, "  none\n");
    for (size_t t = 0; t < classes->n; t++) {
        buf_append_text(out, "    ");
        append_name(out, text(&classes->items[t], "label"), NAME_WIDTH);
        for (size_t a = 0; a <= classes->n; a++) {
            int64_t n = count_at(confusion, t, a);

            if (n > 0)
                buf_printf(out, " %6d", (int)n);
            else
                buf_append_text(out, "      ·");
        }
        buf_append_char(out, '\n');
    }
    buf_append_char(out, '\n');
}

static void append_reliability(struct buf *out, const struct json *field)
{
    const struct json *bins = find(field, "reliability", JSON_ARRAY);

    buf_append_text(out, "    confidence   right                            rows\n");
    for (size_t i = 0; bins && i < bins->n; i++) {
        const struct json *bin = &bins->items[i];

        if (!(number(bin, "rows") > 0.0))
            continue;
        buf_printf(out, "         %.2f    ", number(bin, "confidence"));
        append_bar(out, number(bin, "right"), BAR_WIDTH);
        buf_printf(out, " %.2f  %5.0f\n", number(bin, "right"), number(bin, "rows"));
    }
    buf_append_char(out, '\n');
}

static void append_slices(struct buf *out, const struct json *slices)
{
    for (size_t s = 0; slices && s < slices->n; s++) {
        const struct json *fields = find(&slices->members[s].value, "fields", JSON_OBJECT);

        buf_printf(out, "slice %.*s: %.0f test rows\n", STR_ARG(slices->members[s].key),
                   number(&slices->members[s].value, "rows"));
        for (size_t f = 0; fields && f < fields->n; f++) {
            const struct json *field = &fields->members[f].value;

            buf_printf(out, "  %.*s", STR_ARG(fields->members[f].key));
            if (json_find(field, "balanced_accuracy")) {
                buf_printf(out, ", balanced accuracy %.3f ", number(field, "balanced_accuracy"));
                append_interval(out, field, "balanced_accuracy_interval", "");
            }
            buf_append_char(out, '\n');
            append_score_table(out, table_of(field), field);
            if (table_of(field) == &value_scores)
                buf_append_char(out, '\n');
        }
        buf_append_char(out, '\n');
    }
}

/* Of an output that is written: how often the first attempt was the answer. */
static void append_text(struct buf *out, const struct json *written)
{
    if (!written)
        return;
    buf_printf(out, "%.*s\n", STR_ARG(text(written, "field")));
    append_score_table(out, &text_scores, written);
    buf_append_char(out, '\n');
}

static void append_candidates(struct buf *out, const struct json *report)
{
    const struct json *all = find(report, "candidates", JSON_OBJECT);
    struct str chosen = text(report, "candidate");

    buf_append_text(out, "candidates, on validation rows\n");
    for (size_t i = 0; all && i < all->n; i++) {
        const struct json *validation = json_find(&all->members[i].value, "validation");

        if (!validation)
            continue;
        buf_append_text(out, str_equal(all->members[i].key, chosen) ? "  > " : "    ");
        append_name(out, all->members[i].key, NAME_WIDTH);
        if (json_find(validation, "first_attempt"))
            buf_printf(out, "  first attempts %.3f", number(validation, "first_attempt"));
        else if (json_find(validation, "mean_accuracy"))
            buf_printf(out, "  mean accuracy %.3f", number(validation, "mean_accuracy"));
        else
            buf_printf(out, "  mean macro-F1 %.3f", number(validation, "mean_macro_f1"));
        if (json_find(&all->members[i].value, "loss_per_token"))
            buf_printf(out, "  loss %.3f per token",
                       number(&all->members[i].value, "loss_per_token"));
        buf_append_text(out, is_true(validation, "meets_gates") ? "  meets the gates\n"
                                                                : "  misses gates\n");
    }
    buf_append_char(out, '\n');
}

static void append_gates(struct buf *out, const struct json *report)
{
    const struct json *gates = find(report, "gates", JSON_ARRAY);

    buf_append_text(out, "gates\n");
    for (size_t i = 0; gates && i < gates->n; i++) {
        const struct json *gate = &gates->items[i], *met = json_find(gate, "met");
        bool is_unchecked = met && met->type == JSON_NULL;

        buf_printf(out, "  %s %.*s\n",
                   is_unchecked           ? "–"
                   : is_true(gate, "met") ? "✓"
                                          : "✗",
                   STR_ARG(text(gate, "text")));
    }
}

static void append_head(struct buf *out, const struct json *report)
{
    const struct json *rows = json_find(report, "rows"), *test = json_find(report, "test");

    buf_printf(out, "%.*s  %s  (%.*s)\n", STR_ARG(text(report, "slm")),
               is_true(report, "accepted") ? "ACCEPTED" : "REJECTED",
               STR_ARG(text(report, "candidate")));
    buf_printf(out,
               "%.0f training, %.0f validation, %.0f test rows; all scores below are of the "
               "test rows\n",
               number(rows, "train"), number(rows, "validation"), number(rows, "test"));
    if (number(rows, "train_left_out") > 0.0)
        buf_printf(out,
                   "%.0f training rows were left out: their input has not what their output says\n",
                   number(rows, "train_left_out"));
    buf_printf(out, "answers given: %.1f %% ", 100.0 * number(test, "coverage"));
    append_interval(out, test, "coverage_interval", "");
    buf_printf(out, ", against a must-rule: %.0f\n\n", number(test, "rule_violations"));
}

enum rc build_append_report(struct buf *out, struct str report_json, struct err *err)
{
    struct arena arena;
    struct json *report = NULL;
    struct err why;

    arena_init(&arena, REPORT_ARENA_BYTES);
    enum rc rc = json_parse(report_json, JSON_DUPLICATES_REFUSED, &arena, &report, &why);
    if (rc || !str_is(text(report, "format"), "shoal-report/1") || !json_find(report, "test")) {
        arena_release(&arena);
        return err_set(err, rc == RC_NOMEM ? rc : RC_CORRUPT, "this is no report");
    }
    const struct json *fields = find(json_find(report, "test"), "fields", JSON_OBJECT);

    append_head(out, report);
    append_candidates(out, report);
    for (size_t f = 0; fields && f < fields->n; f++) {
        const struct json *field = &fields->members[f].value;

        buf_printf(out, "%.*s\n", STR_ARG(fields->members[f].key));
        if (table_of(field) == &value_scores) {
            append_score_table(out, &value_scores, field);
            buf_append_char(out, '\n');
            continue;
        }
        append_scores(out, field);
        append_classes(out, field);
        append_confusion(out, field);
        append_reliability(out, field);
    }
    append_text(out, find(json_find(report, "test"), "text", JSON_OBJECT));
    append_text(out, find(json_find(report, "test"), "written", JSON_OBJECT));
    append_slices(out, find(json_find(report, "test"), "slices", JSON_OBJECT));
    append_gates(out, report);
    arena_release(&arena);
    return buf_rc(out, "report", err);
}
