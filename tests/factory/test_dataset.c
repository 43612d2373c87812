/*
 * test_dataset.c - from files to the rows of an SLM: what is kept, what is left out and why.
 *
 * The names D01 to D16 are those of the list of hostile data files in the design. Not here, because
 * nothing does it yet: D06 (CSV export), D12 (redaction), D13 (feedback: tests/serve), D16
 * (manifests of sources).
 */
#include "base/fs.h"
#include "factory/data/dataset.h"
#include "tests/support/data.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 1 << 22 };

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/shoal-dataset-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    struct err err = { 0 };
    (void)state;
    return fs_remove_tree(dir, &err) == RC_OK ? 0 : -1;
}

static void write_bytes(const char *name, const void *bytes, size_t len)
{
    char path[128];
    struct err err = { 0 };

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(fs_write_atomic(path, bytes, len, 0600, &err), RC_OK);
}

static void write_file(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

#define SPEC_HEAD                                           \
    "slm: triage\n"                                         \
    "input:\n"                                              \
    "  type: object\n"                                      \
    "  required: [text]\n"                                  \
    "  properties:\n"                                       \
    "    text: {type: string, maxLength: 2000}\n"           \
    "    total: {type: number}\n"                           \
    "    vip: {type: boolean}\n"                            \
    "output:\n"                                             \
    "  type: object\n"                                      \
    "  required: [kind, urgent]\n"                          \
    "  properties:\n"                                       \
    "    kind: {type: string, enum: [bill, ship, other]}\n" \
    "    urgent: {type: boolean}\n"                         \
    "data:\n"

static struct spec *parse_text(const char *head, const char *data, struct arena *arena)
{
    struct problems problems;
    struct spec *spec = NULL;
    struct err err = { 0 };
    struct buf text;
    char path[128];

    snprintf(path, sizeof(path), "%s/slm.yaml", dir);
    buf_init(&text, 1 << 16);
    buf_append_text(&text, head);
    buf_append_text(&text, data);
    problem_init(&problems, arena);
    char *copy = arena_strndup(arena, text.at, text.len);
    if (spec_parse((struct str){ copy, text.len }, path, arena, &spec, &problems, &err))
        fail_msg("%s", err.message);
    if (!spec)
        fail_msg("%s", problems.n ? problems.items[0].message : "no spec");
    buf_release(&text);
    return spec;
}

static struct spec *parse_spec(const char *data, struct arena *arena)
{
    return parse_text(SPEC_HEAD, data, arena);
}

/* One pinned row for each of validation and test, so that a train file can be looked at alone. */
static void write_held_out(void)
{
    write_file("v.jsonl", "{\"input\":{\"text\":\"validation row alone\"},"
                          "\"output\":{\"kind\":\"bill\",\"urgent\":false}}\n");
    write_file("t.jsonl", "{\"input\":{\"text\":\"test row alone\"},"
                          "\"output\":{\"kind\":\"ship\",\"urgent\":true}}\n");
}

#define HELD_OUT                             \
    "- {path: v.jsonl, split: validation}\n" \
    "- {path: t.jsonl, split: test}\n"
#define TRAIN "- {path: train.jsonl, split: train}\n" HELD_OUT
#define TRAIN_CSV                                                                           \
    "- {path: train.csv, split: train, columns: {mail: input.text, sum: input.total, vip: " \
    "input.vip, kind: output.kind, urgent: output.urgent}}\n" HELD_OUT

#define ROW(text, kind) \
    "{\"input\":{\"text\":\"" text "\"},\"output\":{\"kind\":\"" kind "\",\"urgent\":false}}\n"

static const struct dataset_row *find_row(const struct dataset *d, size_t source, uint32_t line)
{
    size_t at = 0;

    while (at < d->n_rows && (d->rows[at].source != source || d->rows[at].line != line))
        at++;
    if (at == d->n_rows)
        fail_msg("no row of line %u", line);
    return &d->rows[at];
}

static enum rc make(const struct spec *spec, const struct dataset_options *options,
                    struct arena *arena, struct dataset **ret_dataset, struct err *err)
{
    static struct dataset none;

    *ret_dataset = &none; /* the compiler cannot know that a failed test does not go on */
    return dataset_make(spec, options, arena, ret_dataset, err);
}

static void rows_that_the_spec_does_not_allow_are_left_out_with_line_and_reason(void **state)
{
    static const struct {
        const char *name, *lines, *reason;
    } cases[] = {
        { "D09 truncated last line", "{\"input\":{\"te",
          "line 1, column 11: string has no closing quote" },
        { "D09 array instead of objects", "[1]\n", "array, expected an object" },
        { "D09 text instead of objects", "\"x\"\n", "string, expected an object" },
        { "D04 invalid UTF-8", ROW("caf\xe9", "bill"), "line 1, column 22: invalid UTF-8" },
        { "D04 NUL byte as escape is text", "{\"input\":{\"text\":\"a\\u0000\"}}\n",
          "'output' is missing" },
        { "D07 NaN", "{\"input\":{\"text\":\"a\",\"total\":NaN},\"output\":{}}\n", "line 1, " },
        { "D07 1e400", "{\"input\":{\"text\":\"a\",\"total\":1e40000},\"output\":{}}\n",
          "input: " },
        { "D07 comma as decimal point",
          "{\"input\":{\"text\":\"a\",\"total\":\"1,5\"},"
          "\"output\":{}}\n",
          "input: " },
        { "D08 label not in the set", ROW("a", "invoice"), "output: " },
        { "a label of another type",
          "{\"input\":{\"text\":\"a\"},\"output\":{\"kind\":\"bill\",\"urgent\":\"no\"}}\n",
          "output: " },
        { "an output field is missing",
          "{\"input\":{\"text\":\"a\"},\"output\":{\"kind\":\"bill\"}}\n", "output: " },
        { "an input field is unknown",
          "{\"input\":{\"text\":\"a\",\"x\":1},\"output\":{\"kind\":\"bill\",\"urgent\":true}}\n",
          "input: " },
        { "an input field is missing",
          "{\"input\":{},\"output\":{\"kind\":\"bill\",\"urgent\":true}}\n", "input: " },
        { "a member is unknown", "{\"input\":{\"text\":\"a\"},\"output\":{},\"label\":1}\n",
          "unknown member 'label', expected id, input, output and tags" },
        { "a key appears twice", "{\"input\":{\"text\":\"a\"},\"input\":{}}\n", "line 1, " },
    };
    (void)state;

    write_held_out();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        struct dataset *d;
        struct dataset_options options = { 0 };
        struct err err = { 0 };
        char text[2000];

        arena_init(&arena, 256 << 20);
        snprintf(text, sizeof(text), "%s\n%s", ROW("a good row", "bill"), cases[i].lines);
        write_file("train.jsonl", text);
        if (make(parse_spec(TRAIN, &arena), &options, &arena, &d, &err))
            fail_msg("%s: %s", cases[i].name, err.message);

        const struct dataset_row *row = find_row(d, 0, 3);

        assert_int_equal(find_row(d, 0, 1)->fate, DATASET_KEPT);
        assert_int_equal(row->fate, DATASET_INVALID);
        if (!str_starts_with(row->reason, cases[i].reason))
            fail_msg("%s: reason '%.*s'", cases[i].name, STR_ARG(row->reason));
        arena_release(&arena);
    }
}

/* D03, D09: one line over the limit, one deeper than JSON may be. */
static void monstrous_lines_are_left_out_too(void **state)
{
    struct arena arena;
    struct dataset *d;
    struct dataset_options options = { 0 };
    struct err err = { 0 };
    struct buf text;
    (void)state;

    arena_init(&arena, 256 << 20);
    buf_init(&text, FILE_BYTES_MAX);
    buf_append_text(&text, ROW("a good row", "bill"));
    for (size_t i = 0; i < DATASET_LINE_BYTES_MAX + 1; i++)
        buf_append_char(&text, 'x');
    buf_append_char(&text, '\n');
    for (size_t i = 0; i < 200; i++)
        buf_append_char(&text, '[');
    write_held_out();
    write_bytes("train.jsonl", text.at, text.len);
    assert_int_equal(make(parse_spec(TRAIN, &arena), &options, &arena, &d, &err), RC_OK);
    assert_int_equal(find_row(d, 0, 2)->fate, DATASET_INVALID);
    assert_true(str_is(find_row(d, 0, 2)->reason, "1048577 bytes, at most 1048576"));
    assert_int_equal(find_row(d, 0, 3)->fate, DATASET_INVALID);
    buf_release(&text);
    arena_release(&arena);
}

static void files_that_are_no_rows_are_refused_as_a_whole(void **state)
{
    static const struct {
        const char *name;
        enum rc rc;
        const char *bytes;
        size_t len;
        bool csv;
        const char *message;
    } cases[] = {
#define BYTES(text) text, sizeof(text) - 1
        { "D01 empty file", RC_INVALID, BYTES(""), false, "of 2 rows read none is left for train" },
        { "D01 blank lines", RC_INVALID, BYTES("\n \n\r\n"), false,
          "of 2 rows read none is left for train" },
        { "D01 header only", RC_INVALID, BYTES("mail,sum,vip,kind,urgent\n"), true,
          "of 2 rows read none is left for train" },
        { "D01 empty CSV", RC_INVALID, BYTES(""), true, "data 'train.csv': " },
        { "D02 quote never closed", RC_INVALID,
          BYTES("mail,sum,vip,kind,urgent\n\"a,1,,bill,true\n"), true,
          "data 'train.csv': line 2: " },
        { "D03 ragged row", RC_INVALID, BYTES("mail,sum,vip,kind,urgent\na,1\n"), true,
          "data 'train.csv': line 2: " },
        { "D04 UTF-16", RC_INVALID, BYTES("\xff\xfe{\0}\0"), false,
          "data 'train.jsonl': looks like UTF-16, expected UTF-8 text" },
        { "D04 NUL in CSV", RC_INVALID, BYTES("mail,sum,vip,kind,urgent\na\0,1,,bill,true\n"), true,
          "data 'train.csv': line 2: " },
        { "D05 repeated column", RC_INVALID, BYTES("mail,mail,vip,kind,urgent\n"), true,
          "data 'train.csv': line 1: " },
        { "D05 empty column", RC_INVALID, BYTES("mail,,vip,kind,urgent\n"), true,
          "data 'train.csv': line 1: " },
        { "D05 missing column", RC_INVALID, BYTES("mail,sum,vip,kind\n"), true,
          "data 'train.csv': line 1: no column 'urgent'" },
        { "D10 gzip", RC_INVALID, BYTES("\x1f\x8b\x08\0\0"), false,
          "data 'train.jsonl': looks like a gzip file, expected UTF-8 text" },
        { "D11 spreadsheet with a csv name", RC_INVALID, BYTES("PK\x03\x04\x14"), true,
          "data 'train.csv': looks like a zip archive or a spreadsheet, expected UTF-8 text" },
        { "D11 parquet with a csv name", RC_INVALID, BYTES("PAR1\x15\x04"), true,
          "data 'train.csv': looks like a parquet file, expected UTF-8 text" },
    };
    (void)state;

    write_held_out();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        struct dataset *d;
        struct dataset_options options = { 0 };
        struct err err = { 0 };

        arena_init(&arena, 256 << 20);
        write_bytes(cases[i].csv ? "train.csv" : "train.jsonl", cases[i].bytes, cases[i].len);
        enum rc rc =
            make(parse_spec(cases[i].csv ? TRAIN_CSV : TRAIN, &arena), &options, &arena, &d, &err);
        if (rc != cases[i].rc || strncmp(err.message, cases[i].message, strlen(cases[i].message)))
            fail_msg("%s: %s, '%s'", cases[i].name, rc_name(rc), err.message);
        arena_release(&arena);
    }
}

/* D10, D15: what is named is a plain file that is there. */
static void sources_that_are_not_plain_files_are_refused(void **state)
{
    struct arena arena;
    struct dataset *d;
    struct dataset_options options = { 0 };
    struct err err = { 0 };
    char path[128];
    (void)state;

    arena_init(&arena, 256 << 20);
    write_held_out();
    snprintf(path, sizeof(path), "%s/train.jsonl", dir);
    assert_int_equal(fs_remove(path, &err), RC_OK);
    assert_int_equal(make(parse_spec(TRAIN, &arena), &options, &arena, &d, &err), RC_NOT_FOUND);
    assert_int_equal(fs_make_dirs(path, &err), RC_OK);
    assert_int_not_equal(make(parse_spec(TRAIN, &arena), &options, &arena, &d, &err), RC_OK);
    assert_int_equal(fs_remove_tree(path, &err), RC_OK);
    arena_release(&arena);
}

static void csv_fields_take_the_types_of_their_places(void **state)
{
    struct arena arena;
    struct dataset *d;
    struct dataset_options options = { 0 };
    struct err err = { 0 };
    (void)state;

    arena_init(&arena, 256 << 20);
    write_held_out();
    write_file("train.csv", "\xEF\xBB\xBFurgent,mail,sum,vip,kind,note\r\n"
                            "true,\"late, \"\"again\"\"\nand again\",12.50,,ship,x\r\n"
                            "false,fine,,true,other,=cmd|x\r\n"
                            "false,\"1,5\",\"1,5\",true,other,\r\n"
                            "yes,no,1,true,other,\r\n");
    if (make(parse_spec(TRAIN_CSV, &arena), &options, &arena, &d, &err))
        fail_msg("%s", err.message);

    const struct dataset_row *first = find_row(d, 0, 2), *second = find_row(d, 0, 4);

    assert_true(
        str_is(first->input, "{\"text\":\"late, \\\"again\\\"\\nand again\",\"total\":12.50}"));
    assert_true(str_is(first->text, "late again and again 12 50 "));
    assert_int_equal(first->labels[0], 1);
    assert_int_equal(first->labels[1], 1);
    assert_true(str_is(second->input, "{\"text\":\"fine\",\"vip\":true}"));
    assert_int_equal(find_row(d, 0, 5)->fate, DATASET_INVALID); /* D07: a comma is no point */
    assert_int_equal(find_row(d, 0, 6)->fate, DATASET_INVALID); /* yes is no boolean */
    arena_release(&arena);
}

static void jsonl_columns_are_mapped_and_others_ignored(void **state)
{
    struct arena arena;
    struct dataset *d;
    struct dataset_options options = { 0 };
    struct err err = { 0 };
    (void)state;

    arena_init(&arena, 256 << 20);
    write_held_out();
    write_file("train.jsonl", "{\"nr\":7,\"mail\":\"hello\",\"k\":\"bill\",\"u\":true,\"x\":[]}\n");
    if (make(parse_spec("- {path: train.jsonl, split: train, id: nr, columns: {mail: "
                        "input.text, k: output.kind, u: output.urgent}}\n" HELD_OUT,
                        &arena),
             &options, &arena, &d, &err))
        fail_msg("%s", err.message);
    assert_true(str_is(find_row(d, 0, 1)->input, "{\"text\":\"hello\"}"));
    assert_true(str_is(find_row(d, 0, 1)->id, "7"));
    arena_release(&arena);
}

/* D08: duplicates, contradictions, leaks; each with its line. */
#define SET_HEAD                                                                    \
    "slm: triage\n"                                                                 \
    "input:\n"                                                                      \
    "  type: object\n"                                                              \
    "  properties:\n"                                                               \
    "    text: {type: string}\n"                                                    \
    "output:\n"                                                                     \
    "  type: object\n"                                                              \
    "  properties:\n"                                                               \
    "    why: {type: array, uniqueItems: true, items: {enum: [bill, ship, vip]}}\n" \
    "data:\n"

static void sets_and_tags_survive_the_artifact(void **state)
{
    static const char row[] = "{\"id\":\"7\",\"input\":{\"text\":\"late and dear\"},"
                              "\"output\":{\"why\":[\"bill\",\"vip\"]},"
                              "\"tags\":{\"kind\":\"hard\",\"level\":2},\"split\":\"train\"}\n";
    CLEANUP(buf_releasep) struct buf rows = { .limit = 1 << 20 }, again = { .limit = 1 << 20 };
    struct dataset_options options = { .seed = 1 };
    struct dataset *dataset;
    struct arena arena;
    struct err err = { 0 };
    (void)state;

    arena_init(&arena, 1 << 30);
    write_file("v.jsonl", "{\"input\":{\"text\":\"alone\"},\"output\":{\"why\":[]}}\n");
    write_file("t.jsonl",
               "{\"input\":{\"text\":\"test row\"},\"output\":{\"why\":[]},\"tags\":{}}\n");
    write_file(
        "train.jsonl",
        "{\"id\":7,\"input\":{\"text\":\"late and dear\"},\"output\":{\"why\":[\"vip\",\"bill\"]},"
        "\"tags\":{\"level\":2,\"kind\":\"hard\"}}\n"
        "{\"input\":{\"text\":\"a\"},\"output\":{\"why\":[\"vip\",\"vip\"]}}\n"
        "{\"input\":{\"text\":\"b\"},\"output\":{\"why\":[]},\"tags\":3}\n"
        "{\"input\":{\"text\":\"c\"},\"output\":{\"why\":[]},\"tags\":{\"x\":[]}}\n");
    struct spec *spec = parse_text(SET_HEAD, TRAIN, &arena);
    assert_int_equal(make(spec, &options, &arena, &dataset, &err), RC_OK);
    assert_string_equal(find_row(dataset, 0, 2)->reason.at, "output: why: 'vip' appears twice");
    assert_string_equal(find_row(dataset, 0, 3)->reason.at, "tags: number, expected an object");
    assert_string_equal(find_row(dataset, 0, 4)->reason.at,
                        "tag 'x': array, expected a text, a number or a boolean");
    assert_int_equal(find_row(dataset, 0, 1)->labels[0], 5);
    assert_int_equal(dataset_append(&rows, spec, dataset, &err), RC_OK);
    assert_non_null(strstr(rows.at, row));
    assert_int_equal(dataset_parse(spec, buf_str(&rows), &arena, &dataset, &err), RC_OK);
    assert_int_equal(dataset_append(&again, spec, dataset, &err), RC_OK);
    assert_string_equal(rows.at, again.at);
    buf_reset(&again);
    dataset_append_card_text(&again, spec, dataset);
    assert_non_null(strstr(again.at, "vip                           1"));
    arena_release(&arena);
}

static void texts_survive_the_artifact_and_a_row_without_one_is_left_out(void **state)
{
    static const char head[] = "slm: reply\nbase: some\n"
                               "input: {type: object, properties: {text: {type: string}}}\n"
                               "output: {type: object, properties: {reply: {type: string, format: "
                               "text, maxLength: 20}}}\ndata:\n";
    struct dataset_options options = { 0 };
    struct dataset *d, *again;
    struct arena arena;
    struct err err = { 0 };
    struct buf out;
    (void)state;

    arena_init(&arena, 64 << 20);
    write_file("train.jsonl",
               "{\"input\":{\"text\":\"a\"},\"output\":{\"reply\":\"Dear \\\"A\\\"\"}}\n"
               "{\"input\":{\"text\":\"b\"},\"output\":{}}\n"
               "{\"input\":{\"text\":\"c\"},\"output\":{\"reply\":\"more than 20 characters\"}}\n"
               "{\"input\":{\"text\":\"a\"},\"output\":{\"reply\":\"other\"}}\n");
    write_file("v.jsonl", "{\"input\":{\"text\":\"v\"},\"output\":{\"reply\":\"valid\"}}\n");
    write_file("t.jsonl", "{\"input\":{\"text\":\"t\"},\"output\":{\"reply\":\"test\"}}\n");
    struct spec *spec = parse_text(head, TRAIN, &arena);
    assert_int_equal(make(spec, &options, &arena, &d, &err), RC_OK);
    assert_int_equal(dataset_count(d, SPEC_SPLIT_TRAIN), 1);
    assert_true(str_is(find_row(d, 0, 1)->written[0], "Dear \"A\""));
    assert_true(str_is(find_row(d, 0, 2)->reason, "output: 'reply' is missing"));
    assert_int_equal(find_row(d, 0, 3)->fate, DATASET_INVALID);
    assert_int_equal(find_row(d, 0, 4)->fate, DATASET_DUPLICATE);

    buf_init(&out, FILE_BYTES_MAX);
    assert_int_equal(dataset_append(&out, spec, d, &err), RC_OK);
    assert_int_equal(dataset_parse(spec, buf_str(&out), &arena, &again, &err), RC_OK);
    assert_int_equal(again->n_rows, 3);
    assert_true(str_is(again->rows[2].written[0], "Dear \"A\""));
    buf_release(&out);
    arena_release(&arena);
}

static void rows_with_sets_that_are_rare_are_held_out_too(void **state)
{
    CLEANUP(buf_releasep) struct buf lines = { .limit = 1 << 20 };
    struct dataset_options options = { .seed = 1 };
    struct dataset *dataset;
    struct arena arena;
    struct err err = { 0 };
    (void)state;

    arena_init(&arena, 1 << 30);
    for (uint32_t i = 0; i < 64; i++) { /* every set of six labels once */
        buf_printf(&lines, "{\"input\":{\"text\":\"row %u is %u\"},\"output\":{\"why\":[", i,
                   i * i);
        for (uint32_t k = 0, n = 0; k < 6; k++)
            if (i >> k & 1)
                buf_printf(&lines, "%s\"%c\"", n++ ? "," : "", 'a' + (char)k);
        buf_append_text(&lines, "]}}\n");
    }
    write_file("train.jsonl", lines.at);
    struct spec *spec = parse_text("slm: triage\n"
                                   "input: {type: object, properties: {text: {type: string}}}\n"
                                   "output: {type: object, properties: {why: {type: array, "
                                   "uniqueItems: true, items: {enum: [a, "
                                   "b, c, d, e, f]}}}}\n"
                                   "data:\n",
                                   "- {path: train.jsonl}\n", &arena);
    assert_int_equal(make(spec, &options, &arena, &dataset, &err), RC_OK);
    /* sizes 0 to 6: 1, 6, 15, 20, 15, 6, 1 rows, a fifth of each for test, a tenth for validation
     */
    assert_int_equal(dataset_count(dataset, SPEC_SPLIT_TEST), 0 + 1 + 3 + 4 + 3 + 1 + 0);
    assert_int_equal(dataset_count(dataset, SPEC_SPLIT_VALIDATION), 0 + 1 + 2 + 2 + 2 + 1 + 0);
    arena_release(&arena);
}

static void equal_and_contradicting_rows_are_told_apart(void **state)
{
    struct arena arena;
    struct dataset *d;
    struct dataset_options options = { 0 };
    struct err err = { 0 };
    (void)state;

    arena_init(&arena, 256 << 20);
    write_held_out();
    write_file("train.jsonl", ROW("one", "bill")     /* 1 kept */
               ROW("One !", "bill")                  /* 2 duplicate */
               ROW("two", "bill") ROW("TWO", "ship") /* 3, 4 conflict */
               ROW("test  row, alone", "bill")       /* 5 leak, whatever its label */
               ROW("validation row alone", "bill")   /* 6 leak */
               ROW("three", "other"));               /* 7 kept */
    if (make(parse_spec(TRAIN, &arena), &options, &arena, &d, &err))
        fail_msg("%s", err.message);
    static const enum dataset_fate want[] = { DATASET_KEPT,     DATASET_DUPLICATE, DATASET_CONFLICT,
                                              DATASET_CONFLICT, DATASET_LEAK,      DATASET_LEAK,
                                              DATASET_KEPT };
    for (uint32_t line = 1; line <= ARRAY_LEN(want); line++)
        if (find_row(d, 0, line)->fate != want[line - 1])
            fail_msg("line %u: %s", line, dataset_fate_name(find_row(d, 0, line)->fate));
    assert_true(str_is(find_row(d, 0, 2)->reason, "same as train.jsonl line 1"));
    assert_true(
        str_is(find_row(d, 0, 5)->reason, "same text as a row that is held out: t.jsonl line 1"));
    assert_int_equal(dataset_count(d, SPEC_SPLIT_TEST), 1);
    arena_release(&arena);
}

#define LONG_TEXT                                                                        \
    "my parcel has not arrived for three weeks now and nobody answers the phone when i " \
    "call you in the morning"

static void rows_near_to_held_out_rows_do_not_train(void **state)
{
    struct arena arena;
    struct dataset *d;
    struct dataset_options options = { 0 };
    struct err err = { 0 };
    (void)state;

    arena_init(&arena, 256 << 20);
    write_held_out();
    write_file("t.jsonl", ROW(LONG_TEXT, "ship"));
    write_file("train.jsonl", ROW(LONG_TEXT " please", "ship") /* 1: near */
               ROW("please help, my parcel has not arrived for three weeks",
                   "ship") /* 2: shares 8 words */
               ROW("has the parcel arrived", "ship") /* 3 */);
    if (make(parse_spec(TRAIN, &arena), &options, &arena, &d, &err))
        fail_msg("%s", err.message);
    assert_int_equal(find_row(d, 0, 1)->fate, DATASET_NEAR_LEAK);
    assert_int_equal(find_row(d, 0, 2)->fate, DATASET_KEPT);
    if (make(parse_spec("- {path: train.jsonl, split: train, drop_shared_ngrams: 6}\n" HELD_OUT,
                        &arena),
             &options, &arena, &d, &err))
        fail_msg("%s", err.message);
    assert_int_equal(find_row(d, 0, 2)->fate, DATASET_SHARED_NGRAM);
    assert_true(
        str_is(find_row(d, 0, 2)->reason, "shares a run of words with a test row: t.jsonl line 1"));
    assert_int_equal(find_row(d, 0, 3)->fate, DATASET_KEPT);
    arena_release(&arena);
}

/* 300 rows, two kinds 2:1; with groups ten rows share a thread. */
static void write_many(bool backwards, bool grouped)
{
    struct buf text;

    buf_init(&text, FILE_BYTES_MAX);
    for (size_t i = 0; i < 300; i++) {
        size_t row = backwards ? 299 - i : i;

        buf_printf(&text, "{\"input\":{\"text\":\"row %zu\"},", row);
        if (grouped)
            buf_printf(&text, "\"thread\":\"g%zu\",", row / 10);
        buf_printf(&text, "\"output\":{\"kind\":\"%s\",\"urgent\":true}}\n",
                   row % 3 ? "bill" : "ship");
    }
    write_bytes("all.jsonl", text.at, text.len);
    buf_release(&text);
}

static void unpinned_rows_are_split_by_label_whatever_their_order(void **state)
{
    struct arena arena;
    struct dataset *d = NULL;
    struct dataset_options options = { .seed = 1 };
    struct err err = { 0 };
    struct buf out[2];
    size_t n_ship = 0;
    (void)state;

    arena_init(&arena, 512 << 20);
    struct spec *spec =
        parse_spec("- path: all.jsonl\nsplit: {validation: 0.1, test: 0.2}\n", &arena);
    for (size_t i = 0; i < 2; i++) {
        buf_init(&out[i], FILE_BYTES_MAX);
        write_many(i == 1, false);
        assert_int_equal(make(spec, &options, &arena, &d, &err), RC_OK);
        assert_int_equal(dataset_append(&out[i], spec, d, &err), RC_OK);
    }
    assert_true(str_equal(buf_str(&out[0]), buf_str(&out[1])));
    assert_int_equal(dataset_count(d, SPEC_SPLIT_TEST), 60);
    assert_int_equal(dataset_count(d, SPEC_SPLIT_VALIDATION), 30);
    for (size_t i = 0; i < d->n_rows; i++)
        n_ship += d->rows[i].split == SPEC_SPLIT_TEST && d->rows[i].labels[0] == 1;
    assert_int_equal(n_ship, 20);

    options.seed = 2;
    buf_reset(&out[1]);
    assert_int_equal(make(spec, &options, &arena, &d, &err), RC_OK);
    assert_int_equal(dataset_append(&out[1], spec, d, &err), RC_OK);
    assert_false(str_equal(buf_str(&out[0]), buf_str(&out[1])));
    buf_release(&out[0]);
    buf_release(&out[1]);
    arena_release(&arena);
}

static void a_group_stays_in_one_split(void **state)
{
    struct arena arena;
    struct dataset *d;
    struct dataset_options options = { .seed = 1 };
    struct err err = { 0 };
    (void)state;

    arena_init(&arena, 512 << 20);
    write_many(false, true);
    if (make(parse_spec("- {path: all.jsonl, group: thread}\n"
                        "split: {validation: 0.1, test: 0.2}\n",
                        &arena),
             &options, &arena, &d, &err))
        fail_msg("%s", err.message);
    for (size_t i = 0; i < d->n_rows; i++)
        assert_int_equal(d->rows[i].split, d->rows[i / 10 * 10].split);
    assert_int_equal(dataset_count(d, SPEC_SPLIT_TEST), 60);
    assert_int_equal(dataset_count(d, SPEC_SPLIT_VALIDATION), 30);
    arena_release(&arena);
}

static void a_dataset_survives_its_artifact(void **state)
{
    struct arena arena;
    struct dataset *d, *read;
    struct dataset_options options = { .feedback = STR(ROW("from feedback", "other")) };
    struct err err = { 0 };
    struct buf first, second;
    struct spec *spec;
    (void)state;

    arena_init(&arena, 256 << 20);
    buf_init(&first, FILE_BYTES_MAX);
    buf_init(&second, FILE_BYTES_MAX);
    write_held_out();
    write_file("train.jsonl", ROW("one", "bill") ROW("caf\xc3\xa9 \\\"two\\\"", "ship"));
    spec = parse_spec(TRAIN, &arena);
    if (make(spec, &options, &arena, &d, &err))
        fail_msg("%s", err.message);
    assert_int_equal(dataset_append(&first, spec, d, &err), RC_OK);
    if (dataset_parse(spec, buf_str(&first), &arena, &read, &err))
        fail_msg("%s", err.message);
    assert_int_equal(read->n_rows, 5);
    assert_int_equal(dataset_count(read, SPEC_SPLIT_TRAIN), 3);
    assert_int_equal(dataset_append(&second, spec, read, &err), RC_OK);
    assert_true(str_equal(buf_str(&first), buf_str(&second)));

    first.at[first.len - 3] = 'x'; /* of the last split's name */
    assert_int_equal(dataset_parse(spec, buf_str(&first), &arena, &read, &err), RC_CORRUPT);
    buf_release(&first);
    buf_release(&second);
    arena_release(&arena);
}

static void the_card_counts_every_row_once(void **state)
{
    struct arena arena;
    struct dataset *d;
    struct dataset_options options = { 0 };
    struct err err = { 0 };
    struct buf card, text;
    struct json *json;
    (void)state;

    arena_init(&arena, 256 << 20);
    buf_init(&card, FILE_BYTES_MAX);
    buf_init(&text, FILE_BYTES_MAX);
    write_held_out();
    write_file("train.jsonl", ROW("one", "bill") ROW("one", "bill") "{}\n" ROW("two", "ship"));
    struct spec *spec = parse_spec(TRAIN, &arena);
    if (make(spec, &options, &arena, &d, &err))
        fail_msg("%s", err.message);
    dataset_append_card(&card, spec, d);
    assert_int_equal(json_parse(buf_str(&card), JSON_DUPLICATES_REFUSED, &arena, &json, &err),
                     RC_OK);
    const struct json *source = &json_find(json, "sources")->items[0];
    int64_t n = 0, sum = 0;
    for (enum dataset_fate fate = DATASET_KEPT; fate <= DATASET_SHARED_NGRAM; fate++) {
        assert_true(json_to_i64(json_find(source, dataset_fate_name(fate)), &n));
        sum += n;
    }
    assert_int_equal(sum, 4);
    assert_int_equal(json_find(json, "left_out")->n, 2);
    dataset_append_card_text(&text, spec, d);
    assert_int_equal(buf_rc(&text, "card", &err), RC_OK);
    assert_non_null(strstr(text.at, "6 rows read: 2 train, 1 validation, 1 test"));
    assert_non_null(strstr(text.at, "train.jsonl:2: same as train.jsonl line 1"));
    buf_release(&card);
    buf_release(&text);
    arena_release(&arena);
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    struct arena spec_arena;
    enum rc rc = RC_OK;
    (void)state;

    arena_init(&spec_arena, 64 << 20);
    write_held_out();
    write_file("train.jsonl", ROW("one", "bill") ROW("one", "bill") "{}\n" ROW("two", "ship"));
    struct spec *spec = parse_spec(TRAIN, &spec_arena);

    FOR_EACH_FAILING_ALLOC (nth) {
        struct arena arena;
        struct dataset *d;
        struct dataset_options options = { 0 };
        struct err err = { 0 };
        struct buf out;

        arena_init(&arena, 256 << 20);
        buf_init(&out, FILE_BYTES_MAX);
        rc = make(spec, &options, &arena, &d, &err);
        if (rc == RC_OK)
            rc = dataset_append(&out, spec, d, &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        buf_release(&out);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
    arena_release(&spec_arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_that_the_spec_does_not_allow_are_left_out_with_line_and_reason),
        cmocka_unit_test(monstrous_lines_are_left_out_too),
        cmocka_unit_test(files_that_are_no_rows_are_refused_as_a_whole),
        cmocka_unit_test(sources_that_are_not_plain_files_are_refused),
        cmocka_unit_test(csv_fields_take_the_types_of_their_places),
        cmocka_unit_test(jsonl_columns_are_mapped_and_others_ignored),
        cmocka_unit_test(sets_and_tags_survive_the_artifact),
        cmocka_unit_test(texts_survive_the_artifact_and_a_row_without_one_is_left_out),
        cmocka_unit_test(rows_with_sets_that_are_rare_are_held_out_too),
        cmocka_unit_test(equal_and_contradicting_rows_are_told_apart),
        cmocka_unit_test(rows_near_to_held_out_rows_do_not_train),
        cmocka_unit_test(unpinned_rows_are_split_by_label_whatever_their_order),
        cmocka_unit_test(a_group_stays_in_one_split),
        cmocka_unit_test(a_dataset_survives_its_artifact),
        cmocka_unit_test(the_card_counts_every_row_once),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };

    return cmocka_run_group_tests_name("dataset", tests, make_dir, remove_dir);
}
