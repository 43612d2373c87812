#include "tests/support/data.h"

#include "base/yaml.h"
#include "spec/spec.h"

/* The smallest spec; each broken one differs from it in a line or two. */
static const char minimal[] = "slm: triage\n"
                              "input:\n"
                              "  type: object\n"
                              "  required: [body]\n"
                              "  properties:\n"
                              "    body: {type: string}\n"
                              "    total: {type: number}\n"
                              "output:\n"
                              "  type: object\n"
                              "  properties:\n"
                              "    kind: {enum: [a, b, c]}\n"
                              "    open: {type: boolean}\n"
                              "data:\n"
                              "  - path: rows.jsonl\n";

struct fixture {
    struct arena arena;
    struct problems problems;
    struct buf out;
    struct err err;
};

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){ 0 };
    arena_init(&f.arena, 16 << 20);
    problem_init(&f.problems, &f.arena);
    buf_init(&f.out, 1 << 20);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    buf_release(&f->out);
    arena_release(&f->arena);
    return 0;
}

/* NULL when there are errors; the problems are then in f->out as text. */
static struct spec *parse(struct fixture *f, const char *text)
{
    struct spec *spec = NULL;

    problem_init(&f->problems, &f->arena);
    if (spec_parse(str_of(text), "s", &f->arena, &spec, &f->problems, &f->err))
        fail_msg("%s", f->err.message);
    buf_reset(&f->out);
    problem_append_text(&f->out, &f->problems);
    buf_append_text(&f->out, "");
    return spec;
}

static struct spec *parse_good(struct fixture *f, const char *text)
{
    struct spec *spec = parse(f, text);

    if (!spec)
        fail_msg("%s", f->out.at);
    return spec;
}

/* minimal with `more` behind it. */
static const char *with(struct fixture *f, const char *more)
{
    size_t len = strlen(minimal) + strlen(more) + 1;
    char *text = arena_array(&f->arena, char, len);

    assert_non_null(text);
    snprintf(text, len, "%s%s", minimal, more);
    return text;
}

/* minimal with the first `old` replaced. */
static const char *instead(struct fixture *f, const char *old, const char *new)
{
    const char *at = strstr(minimal, old);
    size_t len = strlen(minimal) + strlen(new) + 1;
    char *text = arena_array(&f->arena, char, len);

    assert_non_null(at);
    assert_non_null(text);
    snprintf(text, len, "%.*s%s%s", (int)(at - minimal), minimal, new, at + strlen(old));
    return text;
}

static void defaults_are_filled_in(void **state)
{
    struct fixture *f = *state;
    struct spec *spec = parse_good(f, minimal);

    assert_true(str_is(spec->name.text, "triage"));
    assert_true(str_is(spec->base.text, "all-minilm-l6-v2"));
    assert_int_equal(spec->n_shown, 2);
    assert_true(str_is(spec->shown[1].text, "total"));
    assert_int_equal(spec->training.n_candidates, 4);
    assert_int_equal(spec->training.candidates[3], SPEC_BLEND);
    assert_int_equal(spec->training.epochs, 3);
    assert_true(spec->training.learning_rate == 1e-4);
    assert_true(spec->split.test == 0.2);
    assert_int_equal(spec->data[0].format, SPEC_JSONL);
    assert_int_equal(spec->data[0].split, SPEC_SPLIT_NONE);
    assert_true(str_is(spec->data[0].id.text, "id"));
    assert_false(spec->abstain.has_target);
    assert_int_equal(spec->n_gates, 0);
}

static void every_section_is_read(void **state)
{
    struct fixture *f = *state;
    struct spec *spec = parse_good(
        f, with(f, "  - {path: more.csv, split: test, group: customer, columns: {Text: input.body, "
                   "K: output.kind, O: output.open}}\n"
                   "tables:\n"
                   "  rates: {path: rates.csv, key: id, columns: {id: string, rate: number}}\n"
                   "facts:\n"
                   "  long: string length(body) > 100\n"
                   "  longer: long and string length(body) > 200\n"
                   "rules:\n"
                   "  - {name: R1, must: 'if long then kind != \"a\" else true', text: x}\n"
                   "  - {name: R2, should: open, when: long, text: y}\n"
                   "derived:\n"
                   "  due: now() + @\"P1D\"\n"
                   "show: [body, long]\n"
                   "training: {candidates: [linear], method: lora, seed: 7}\n"
                   "gates:\n"
                   "  - {metric: macro_f1, field: kind, min: 0.8, above: linear}\n"
                   "  - {metric: ece, max: 0.1, not_worse_margin: 0.02}\n"
                   "abstain: {target_precision: 0.95}\n"));

    assert_int_equal(spec->n_data, 2);
    assert_int_equal(spec->data[1].format, SPEC_CSV);
    assert_int_equal(spec->data[1].split, SPEC_SPLIT_TEST);
    assert_true(str_is(spec->data[1].columns[2].path.text, "output.open"));
    assert_int_equal(spec->n_tables, 1);
    assert_true(str_is(spec->tables[0].columns[1].name.text, "rate"));
    assert_int_equal(spec->n_facts, 2);
    assert_true(spec->facts[0].shown);
    assert_false(spec->facts[1].shown);
    assert_int_equal(spec->facts[1].type.kind, FEEL_BOOLEAN);
    assert_int_equal(spec->rules[0].kind, SPEC_MUST);
    assert_null(spec->rules[0].condition);
    assert_int_equal(spec->rules[1].kind, SPEC_SHOULD);
    assert_non_null(spec->rules[1].condition);
    assert_int_equal(spec->derived[0].type.kind, FEEL_DATE_TIME);
    assert_int_equal(spec->training.method, SPEC_METHOD_LORA);
    assert_int_equal(spec->training.seed, 7);
    assert_int_equal(spec->gates[0].above, SPEC_FLOOR_LINEAR);
    assert_true(spec->gates[0].has_min && !spec->gates[0].has_max);
    assert_true(spec->gates[1].has_max && spec->gates[1].has_margin);
    assert_true(spec->abstain.has_target && spec->abstain.target_precision == 0.95);
}

static void keys_that_are_wrong_are_refused_with_their_place(void **state)
{
    static const struct {
        const char *more, *problem; /* put behind `minimal`, whose last line is 14 */
    } cases[] = {
        { "fact: {}\n", "s:15:1: error: unknown key 'fact' of the spec, did you mean 'facts'? "
                        "[unknown_key]\n" },
        { "    spilt: test\n", "s:15:5: error: unknown key 'spilt' of a data source, did you mean "
                               "'split'? [unknown_key]\n" },
        { "    split: tst\n", "s:15:12: error: 'split' is 'tst', expected one of none, train, "
                              "validation, test, did you mean 'test'? [value]\n" },
        { "  - path: ../x.jsonl\n",
          "s:15:11: error: '../x.jsonl' must be a relative path without '..' [path]\n" },
        { "  - path: a/..\n", "s:15:11: error: 'a/..' must be a relative path without '..' [path]\n"
                              "s:15:11: error: 'a/..' ends in neither .jsonl nor .csv: give its "
                              "'format' [value]\n" },
        { "  - path: /x.jsonl\n",
          "s:15:11: error: '/x.jsonl' must be a relative path without '..' [path]\n" },
        { "  - path: rows.jsonl\n",
          "s:15:11: error: 'rows.jsonl' is a source twice [duplicate]\n" },
        { "  - path: x.csv\n", "s:15:11: error: a CSV source needs 'columns' [missing]\n" },
        { "  - {path: x.csv, columns: {A: input.bdy, B: output.kind, C: outpt.open}}\n",
          "s:15:32: error: 'bdy' is no field of the input, did you mean 'body'? [unknown_name]\n"
          "s:15:62: error: 'outpt.open' must be input.NAME, output.NAME or tags.NAME "
          "[value]\n"
          "s:15:12: error: no column gives the required input.body [missing]\n"
          "s:15:12: error: no column gives output.open [missing]\n" },
        { "training: {epochs: 0, seed: 1.5, candidates: [linear, linear, svm]}\n",
          "s:15:55: error: 'linear' appears twice [duplicate]\n"
          "s:15:63: error: 'candidates' is 'svm', expected one of linear, frozen, finetuned, "
          "blend, "
          "prompted, lora [value]\n"
          "s:15:20: error: 'epochs' is 0, expected an integer from 1 to 100 [range]\n"
          "s:15:29: error: 'seed' is 1.5, expected an integer from 0 to 4294967295 [range]\n" },
        { "training: {candidates: [frozen, blend]}\n",
          "s:15:24: error: 'blend' needs two other candidates [value]\n" },
        { "training: [1]\n", "s:15:11: error: training: found array, expected keys and values "
                             "[type]\n" },
        { "gates:\n- {metric: f1, min: 2000000000}\n",
          "s:16:12: error: 'metric' is 'f1', expected one of accuracy, balanced_accuracy, "
          "macro_f1, set_f1, ece, rule_violations, coverage, precision, first_attempt [value]\n"
          "s:16:21: error: 'min' is 2000000000, expected 0 to 1e+09 [range]\n"
          "s:16:3: error: gate has no condition: expected min, max, not_worse_margin or above "
          "[missing]\n" },
        { "gates:\n- {metric: ece, field: knd, max: 0.1, min: 0.2}\n",
          "s:16:24: error: 'knd' is no output field, did you mean 'kind'? [unknown_name]\n"
          "s:16:3: error: 'min' is above 'max' [range]\n" },
        { "gates:\n- {metric: set_f1, min: 1}\n- {metric: set_f1, field: kind, min: 1}\n",
          "s:16:3: error: 'set_f1' is a metric of sets, and there is none [value]\n"
          "s:17:3: error: 'set_f1' is a metric of sets, and the field is none [value]\n" },
        { "slices: {hard: tags.level = 3}\ngates: [{metric: accuracy, slice: hrd, min: 1}]\n",
          "s:16:35: error: 'hrd' is none of the slices [unknown_name]\n" },
        { "slices: {a: count(tags.n), b: 'input.bdy = 1', c d: level = 1}\n",
          "s:15:13: error: slice 'a' gives number, expected true or false [type]\n"
          "s:15:38: error: slice 'b': unknown name 'bdy'; did you mean 'body'? [expression]\n"
          "s:15:48: error: slice 'c d' is no name: letters, digits, '_' and '-' [name]\n"
          "s:15:53: error: slice 'c d': unknown name 'level' [expression]\n" },
        { "show: [body, boddy, body]\n",
          "s:15:14: error: 'boddy' is neither an input field nor a fact, did you mean 'body'? "
          "[unknown_name]\n"
          "s:15:21: error: 'body' is shown twice [duplicate]\n" },
        { "show: []\n", "s:1:1: error: 'show' is empty: the model would see nothing [value]\n" },
        { "rules:\n- {name: R 1, must: open, text: x}\n",
          "s:16:10: error: 'R 1' is no name: letters, digits, '_' and '-', at most 64 characters "
          "[name]\n" },
        { "rules:\n- {name: R1, text: x}\n- {name: R1, must: open, should: open, text: x}\n",
          "s:16:10: error: rule 'R1' has neither 'must' nor 'should' [missing]\n"
          "s:17:10: error: a second rule 'R1' [duplicate]\n"
          "s:17:10: error: rule 'R1' has both 'must' and 'should': expected one [value]\n" },
        { "rules:\n- {name: R1, must: open}\n",
          "s:16:3: error: a rule has no 'text': the rule in words, for those who get the answer "
          "[missing]\n" },
        { "slices: {hard: 0.5, easy: ''}\n",
          "s:15:16: error: 'hard': found number, expected text (quote it) [type]\n"
          "s:15:27: error: 'easy': found nothing, expected text (quote it) [type]\n" },
        { "facts: {body: 'true', kind: 'true', a-b: 'true', n: 1}\n",
          "s:15:53: error: 'n': found number, expected text (quote it) [type]\n"
          "s:15:9: error: fact 'body' has a name that is taken [duplicate]\n"
          "s:15:37: error: fact 'a-b' is no plain name: letters, digits and '_' [name]\n"
          "s:11:5: error: output field 'kind' has a name that is taken [duplicate]\n" },
        { "tables:\n  t: {path: t.csv, key: x, columns: {a: string, b: text}}\n",
          "s:16:52: error: type 'text' of a column, expected string, number, boolean, date or "
          "date-time [value]\n"
          "s:16:25: error: key 'x' is none of the columns [unknown_name]\n" },
        { "tables:\n  t: {path: t.csv, key: a, columns: {a: date, b: string}}\n",
          "s:16:25: error: key 'a' is a date, expected a string or a number [type]\n" },
        { "slm: again\n", "s:15:1: error: duplicate key 'slm' [yaml]\n" },
        { "\tx\n", "s:15:1: error: found a tab character that violates indentation [yaml]\n" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_null(parse(f, with(f, cases[i].more)));
        assert_string_equal(f->out.at, cases[i].problem);
    }
}

static void fields_that_are_wrong_are_refused_with_their_place(void **state)
{
    static const struct {
        const char *old, *new, *problem;
    } cases[] = {
        { "slm: triage\n", "\n",
          "s:2:1: error: the spec has no 'slm': name of the SLM, as its folder [missing]\n" },
        { "slm: triage\n", "slm: Triage_2\n",
          "s:1:6: error: 'Triage_2' is no name of an SLM: lower-case letters, digits and '-' "
          "[name]\n" },
        { "slm: triage\n", "slm: tri age\n",
          "s:1:6: error: 'tri age' is no name: letters, digits, '_' and '-', at most 64 characters "
          "[name]\n" },
        { "    open: {type: boolean}\n", "    open: {type: string}\n",
          "s:12:11: error: output field 'open' is open: expected an enum, a boolean, an integer "
          "with minimum and maximum, a set (an array with uniqueItems whose items have an enum), "
          "or "
          "what is written: format text, copied or date [open_field]\n" },
        { "    open: {type: boolean}\n", "    open: {type: array, items: {enum: [x, y]}}\n",
          "s:12:11: error: output field 'open' is open: expected an enum, a boolean, an integer "
          "with minimum and maximum, a set (an array with uniqueItems whose items have an enum), "
          "or "
          "what is written: format text, copied or date [open_field]\n" },
        { "    open: {type: boolean}\n", "    open: {type: array, uniqueItems: true}\n",
          "s:12:11: error: array has no 'items' [missing]\n"
          "s:12:11: error: output field 'open' is open: expected an enum, a boolean, an integer "
          "with minimum and maximum, a set (an array with uniqueItems whose items have an enum), "
          "or "
          "what is written: format text, copied or date [open_field]\n" },
        { "    open: {type: boolean}\n",
          "    open: {type: array, uniqueItems: true, items: {enum: [x]}}\n",
          "s:12:51: error: output field 'open' is a set over 1 labels, expected 2 to 16 "
          "[limit]\n" },
        { "    open: {type: boolean}\n",
          "    open: {type: array, uniqueItems: true, items: {enum: [a, b, c, d, e, f, g, h, i, j, "
          "k, l, m, n, o]}}\n",
          "s:9:3: error: the output fields have 98304 or more combinations of values, at most "
          "65536 [limit]\n" },
        { "    open: {type: boolean}\n",
          "    open: {type: array, uniqueItems: true, minItems: 3, items: {enum: [x, y]}}\n",
          "s:12:11: error: 'minItems' is 3, the set has only 2 labels [range]\n" },
        { "    open: {type: boolean}\n", "    open: {type: integer, minimum: 0, maximum: 100000}\n",
          "s:12:11: error: output field 'open' has more than 65536 values [limit]\n" },
        { "    open: {type: boolean}\n", "    open: {type: integer, minimum: 1, maximum: 65536}\n",
          "s:9:3: error: the output fields have 196608 or more combinations of values, at most "
          "65536 [limit]\n" },
        { "    open: {type: boolean}\n", "    open: {type: boolean, default: true}\n",
          "s:12:5: error: output field 'open' has a default: it is decided [value]\n" },
        { "    open: {type: boolean}\n", "    open: {type: string, format: text}\n", NULL },
        { "    open: {type: boolean}\n",
          "    open: {type: string, format: text}\n    sum: {type: number, format: copied}\n",
          "s:12:5: error: 'open' is a text (format: text), which has to be the last output field, "
          "and the only text [open_field]\n" },
        { "    open: {type: boolean}\n",
          "    open: {type: boolean}\n    day: {type: string, format: date}\n",
          "s:12:5: error: output field 'open' stands beside open ones, which are written: expected "
          "an enum, or format copied, date or text [open_field]\n" },
        { "    body: {type: string}\n", "    body: {type: string, format: copied}\n",
          "s:6:11: error: 'format: copied' is for output fields [value]\n" },
        { "    body: {type: string}\n",
          "    body: {type: array, items: {type: number, format: "
          "copied}}\n",
          "s:6:32: error: 'format: copied' is for output fields [value]\n" },
        { "    body: {type: string}\n", "    body: {type: strin}\n",
          "s:6:18: error: 'type' must be one of string, number, integer, boolean, array, object "
          "[value]\n" },
        { "data:\n  - path: rows.jsonl\n", "data:\n",
          "s:13:6: error: the spec has no 'data': files of rows to learn from [missing]\n" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct spec *spec = parse(f, instead(f, cases[i].old, cases[i].new));

        assert_true((spec != NULL) == (cases[i].problem == NULL));
        if (!spec)
            assert_string_equal(f->out.at, cases[i].problem);
    }
}

static void mistakes_inside_expressions_have_their_place_in_the_file(void **state)
{
    static const struct {
        const char *more, *place, *contains;
    } cases[] = {
        { "facts:\n  f: total + totl\n", "s:16:14: error: fact 'f': ", "totl" },
        { "facts:\n  f: \"total + totl\"\n", "s:16:15: error: fact 'f': ", "totl" },
        { "facts:\n  f: |\n    total +\n    totl\n", "s:18:5: error: fact 'f': ", "totl" },
        { "facts:\n  f: >-\n    total +\n    1 + totl\n", "s:18:9: error: fact 'f': ", "totl" },
        { "facts:\n  f: total + body\n", "s:16:", "fact 'f': " },
        { "facts:\n  f: 1 +\n", "s:16:", "fact 'f': " },
        { "facts:\n  f: g\n  g: '1'\n", "s:16:6: error: fact 'f': ", "unknown name 'g'" },
        { "facts:\n  f: kind = \"a\"\n", "s:16:6: error: fact 'f': ", "kind" },
        { "rules:\n- {name: R1, must: body, text: x}\n",
          "s:16:20: error: rule 'R1' gives string, "
          "expected true or false [type]",
          "" },
        { "rules:\n- {name: R1, must: open, when: totl > 1, text: x}\n",
          "s:16:32: error: rule 'R1': ", "totl" },
        { "derived:\n  d: now() + 1\n", "s:16:", "derived field 'd': " },
        { "facts:\n  f: totl\nrules:\n- {name: R1, must: f, text: x}\n",
          "s:16:6: error: fact 'f': unknown name 'totl'; did you mean 'total'? [expression]\n",
          "" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_null(parse(f, with(f, cases[i].more)));
        if (strncmp(f->out.at, cases[i].place, strlen(cases[i].place)) != 0 ||
            !strstr(f->out.at, cases[i].contains) || f->problems.n != 1)
            fail_msg("%s gave %s", cases[i].more, f->out.at);
    }
}

static void what_an_absent_input_leaves_undetermined_is_noted(void **state)
{
    static const struct {
        const char *more, *notes;
    } cases[] = {
        { "facts:\n  big: total > 1000\n",
          "s:16:3: note: fact 'big' is undetermined when 'total' is absent [undetermined]\n" },
        { "facts:\n  big: total != null and total > 1000\n", "" },
        { "facts:\n  big: total > 1000\n  known: if big = null then false else big\n",
          "s:16:3: note: fact 'big' is undetermined when 'total' is absent [undetermined]\n" },
        { "rules:\n- {name: R1, must: open, when: total > 1, text: x}\n",
          "s:16:10: note: rule 'R1' is undetermined when 'total' is absent [undetermined]\n" },
        { "facts:\n  big: total > 1000\nrules:\n- {name: R1, must: 'not(big)', text: x}\n",
          "s:16:3: note: fact 'big' is undetermined when 'total' is absent [undetermined]\n"
          "s:18:10: note: rule 'R1' is undetermined when 'total' is absent [undetermined]\n" },
        { "rules:\n- {name: R1, must: 'string length(body) > 0', text: x}\n", "" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        parse_good(f, with(f, cases[i].more));
        assert_string_equal(f->out.at ? f->out.at : "", cases[i].notes);
    }
}

static void a_list_has_at_most_a_thousand_entries(void **state)
{
    struct fixture *f = *state;
    CLEANUP(buf_releasep) struct buf facts = { 0 };

    buf_init(&facts, 1 << 20);
    buf_append_text(&facts, "facts:\n");
    for (int i = 0; i <= SPEC_LIST_MAX; i++)
        buf_printf(&facts, "  f%d: '1'\n", i);
    assert_null(parse(f, with(f, facts.at)));
    assert_string_equal(f->out.at,
                        "s:16:3: error: 'facts' has 1001 entries, at most 1000 [limit]\n");
}

static void joint_labels_count_through_all_combinations(void **state)
{
    struct fixture *f = *state;
    struct spec *spec = parse_good(
        f, instead(
               f, "    open: {type: boolean}\n",
               "    open: {type: boolean}\n    stars: {type: integer, minimum: -1, maximum: 2}\n"));
    size_t labels[3], label;
    struct json text = { .type = JSON_STRING, .text = STR("c") };
    struct json number = { .type = JSON_NUMBER, .text = STR("-1.0") };

    assert_int_equal(spec->n_fields, 3);
    assert_int_equal(spec->n_joint, 3 * 2 * 4);
    assert_true(str_is(spec->fields[1].labels[0].text, "false"));
    assert_true(str_is(spec->fields[2].labels[0].text, "-1"));
    for (size_t joint = 0; joint < spec->n_joint; joint++) {
        spec_values_of(spec, joint, labels);
        assert_int_equal(spec_joint_of(spec, labels), joint);
    }
    assert_int_equal(labels[0], 2);
    assert_true(spec_find_value(&spec->fields[0], &text, &label) && label == 2);
    assert_true(spec_find_value(&spec->fields[2], &number, &label) && label == 0);
    assert_false(spec_find_value(&spec->fields[0], &number, &label));
}

/* What the model reads of an input of which `body` is this. */
static const char *shown_body(struct fixture *f, const struct spec *spec, const char *json)
{
    const struct feel_type any = { .kind = FEEL_ANY };
    const struct feel_value none = { .kind = FEEL_CONTEXT };
    struct feel_entry body = { .key = STR("body") };
    struct json *v;

    assert_int_equal(json_parse(str_of(json), JSON_DUPLICATES_REFUSED, &f->arena, &v, &f->err),
                     RC_OK);
    assert_int_equal(feel_from_json(v, &any, &f->arena, &body.value, &f->err), RC_OK);
    struct feel_value input = feel_context(&body, 1);
    buf_reset(&f->out);
    spec_append_shown(&f->out, spec, &input, &none);
    buf_append_text(&f->out, ""); /* a zero behind nothing */
    return f->out.at;
}

static const char with_text[] = "    reply: {type: string, format: text}\n";

static void a_text_is_written_and_no_field_to_choose(void **state)
{
    struct fixture *f = *state;
    struct spec *spec = parse_good(
        f, instead(f, "    kind: {enum: [a, b, c]}\n    open: {type: boolean}\n", with_text));

    assert_int_equal(spec->n_open, 1);
    assert_true(str_is(spec->open[0].name, "reply"));
    assert_int_equal(spec->n_fields, 0);
    assert_int_equal(spec->n_joint, 1);
    assert_int_equal(spec->training.n_candidates, 2);
    assert_int_equal(spec->training.candidates[0], SPEC_PROMPTED);
    assert_int_equal(spec->training.candidates[1], SPEC_LORA);
}

static const char with_fields[] = "    who: {type: string, format: copied, maxLength: 40}\n"
                                  "    sum: {type: number, format: copied}\n"
                                  "    pieces: {type: integer, format: copied}\n"
                                  "    day: {type: string, format: date}\n"
                                  "    kind: {enum: [a, b]}\n"
                                  "    reply: {type: string, format: text}\n";

static void open_fields_stand_beside_each_other(void **state)
{
    static const enum spec_open_kind kinds[] = { SPEC_OPEN_SPAN, SPEC_OPEN_NUMBER, SPEC_OPEN_NUMBER,
                                                 SPEC_OPEN_DATE, SPEC_OPEN_CHOICE, SPEC_OPEN_TEXT };
    struct fixture *f = *state;
    struct spec *spec = parse_good(
        f, instead(f, "    kind: {enum: [a, b, c]}\n    open: {type: boolean}\n", with_fields));

    assert_int_equal(spec->n_open, ARRAY_LEN(kinds));
    assert_int_equal(spec->n_valued, ARRAY_LEN(kinds) - 1);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        assert_int_equal(spec->open[i].kind, kinds[i]);
        assert_int_equal(spec->open[i].optional, i < 4); /* a label and a text are always there */
    }
    assert_int_equal(spec->n_fields, 0);
    assert_false(spec_is_text(spec));
    assert_string_equal(f->out.at, "");

    const char *text =
        instead(f, "    kind: {enum: [a, b, c]}\n    open: {type: boolean}\n", with_fields);
    char whole[4096];
    snprintf(whole, sizeof(whole), "%srules: [{name: r, must: sum > 0, text: x}]\n", text);
    parse_good(f, whole);
    assert_non_null(strstr(f->out.at, "rule 'r' is undetermined when 'sum' is absent"));
}

static void texts_and_labels_have_candidates_metrics_and_floors_of_their_own(void **state)
{
    static const char labels[] = "    kind: {enum: [a, b, c]}\n    open: {type: boolean}\n";
    static const struct {
        const char *output, *more, *problem;
    } cases[] = {
        { with_text, "training: {candidates: [lora, linear]}\n",
          "the output is written: candidates are prompted and lora" },
        { labels, "training: {candidates: [linear, lora]}\n",
          "prompted and lora write, and the output is chosen" },
        { with_text, "training: {precision: bf16}\n", NULL },
        { with_text, "training: {precision: f16}\n", "expected one of f32, bf16" },
        { labels, "training: {precision: bf16}\n",
          "precision is lora's, and the output is chosen" },
        { with_text, "gates: [{metric: accuracy, min: 0.5}]\n", "what is written has the metrics" },
        { with_text, "gates: [{metric: coverage, above: linear}]\n",
          "what is written has the metrics" },
        { labels, "gates: [{metric: first_attempt, min: 0.5}]\n", "are of what is written" },
        { labels, "gates: [{metric: accuracy, above: prompted}]\n", "are of what is written" },
        { with_text, "gates: [{metric: first_attempt, min: 0.5, above: prompted}]\n", NULL },
        { with_text, "gates: [{metric: rule_violations, max: 0}]\n", NULL },
        { with_fields, "gates: [{metric: accuracy, field: sum, min: 0.5, above: prompted}]\n",
          NULL },
        { with_fields, "gates: [{metric: precision, min: 0.5}]\n", NULL },
        { with_fields, "gates: [{metric: accuracy, field: reply, min: 0.5}]\n",
          "what is written has the metrics" },
        { with_fields, "gates: [{metric: macro_f1, field: sum, min: 0.5}]\n",
          "what is written has the metrics" },
        { with_fields, "gates: [{metric: accuracy, field: sum, above: linear}]\n",
          "what is written has the metrics" },
        { with_fields, "rules: [{name: r, when: day != null, must: 'day < today()', text: x}]\n",
          NULL },
        { with_fields, "rules: [{name: r, must: sum = \"a\", text: x}]\n", "number" },
        { with_fields, "slices: {large: output.sum > 7}\n", "sum" },
        { with_text, "training: {candidates: [lora], method: lora}\n", NULL },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *text = instead(f, labels, cases[i].output);
        char whole[4096];

        snprintf(whole, sizeof(whole), "%s%s", text, cases[i].more);
        struct spec *spec = parse(f, whole);
        if (!cases[i].problem)
            assert_non_null(spec);
        else if (spec || !strstr(f->out.at, cases[i].problem))
            fail_msg("%s: %s", cases[i].more, spec ? "taken" : f->out.at);
    }
}

static void who_writes_is_shown_a_line_for_each_leaf(void **state)
{
    static const struct {
        const char *json, *shown;
    } cases[] = {
        { "{\"a\":{\"b\":\"x\\ny\",\"c\":null},\"d\":[\"p\",\"q\"],\"e\":[],\"f\":{},\"g\":false}",
          "body.a.b: x y\nbody.d: p, q\nbody.g: false\n" },
        { "[{\"item\":\"Ink\",\"n\":2},{\"item\":\"Pen\"}]",
          "body: (item: Ink, n: 2), (item: Pen)\n" },
        { "\"a; b\"", "body: a; b\n" },
        { "{}", "" },
    };
    struct fixture *f = *state;
    struct spec *spec = parse_good(
        f, instead(f, "    kind: {enum: [a, b, c]}\n    open: {type: boolean}\n", with_text));

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(shown_body(f, spec, cases[i].json), cases[i].shown);
}

static const char with_set[] =
    "    open: {type: array, uniqueItems: true, maxItems: 2, items: {enum: [x, y, z]}}\n";

static void a_set_has_every_set_of_its_labels_as_values(void **state)
{
    struct fixture *f = *state;
    struct spec *spec = parse_good(f, instead(f, "    open: {type: boolean}\n", with_set));
    const struct spec_field *field = &spec->fields[1];
    struct feel_value room[3];
    struct json *v;
    size_t value;

    assert_true(field->is_set);
    assert_int_equal(field->n_labels, 3);
    assert_int_equal(field->n_values, 8);
    assert_int_equal(spec->n_joint, 3 * 8);
    for (size_t i = 0; i < 8; i++)
        assert_true(spec_value_is_allowed(field, i) == (i != 7));
    assert_int_equal(json_parse(STR("[[\"z\",\"x\"],[],[\"x\",\"x\"],[\"q\"],\"x\","
                                    "[\"x\",\"y\",\"z\"]]"),
                                JSON_DUPLICATES_REFUSED, &f->arena, &v, &f->err),
                     RC_OK);
    assert_true(spec_find_value(field, &v->items[0], &value) && value == 5);
    buf_reset(&f->out);
    struct feel_value list = spec_feel_value(field, value, room);
    feel_append_json(&f->out, &list);
    assert_string_equal(f->out.at, "[\"x\",\"z\"]");
    assert_true(spec_find_value(field, &v->items[1], &value) && value == 0);
    for (size_t i = 2; i < v->n; i++)
        assert_false(spec_find_value(field, &v->items[i], &value));
}

static void rules_see_a_set_as_a_list(void **state)
{
    struct fixture *f = *state;
    const char *base = instead(f, "    open: {type: boolean}\n", with_set);
    const char *more = "rules:\n- {name: R1, must: '(kind = \"a\") = (count(open) = 0)', text: t}\n"
                       "- {name: R2, must: 'not(list contains(open, \"x\"))', text: t}\n";
    size_t len = strlen(base) + strlen(more) + 1;
    char *text = arena_array(&f->arena, char, len);

    snprintf(text, len, "%s%s", base, more);
    parse_good(f, text);
    assert_string_equal(f->out.at, "");
}

static void slices_see_input_output_and_tags(void **state)
{
    struct fixture *f = *state;
    struct spec *spec =
        parse_good(f, with(f, "slices:\n  hard: tags.level > 3 and input.total != null\n"
                              "  odd: output.kind = \"a\" or tags.source = \"hand\"\n"
                              "gates: [{metric: accuracy, slice: hard, min: 0.5}]\n"));

    assert_int_equal(spec->n_slices, 2);
    assert_non_null(spec->slices[1].feel);
    assert_true(str_is(spec->gates[0].slice.text, "hard"));
}

static void shown_lists_and_contexts_are_compact(void **state)
{
    static const struct {
        const char *json, *shown;
    } cases[] = {
        { "[{\"item\":\"Toner\\n x\",\"n\":2,\"note\":null},{\"item\":\"Ink\",\"n\":0.50}]",
          "body: item: Toner x, n: 2; item: Ink, n: 0.5\n" },
        { "{\"a\":{\"b\":1,\"c\":[true,false]},\"d\":\"\"}",
          "body: a: (b: 1, c: (true; false)), d: \n" },
        { "[[1,2],[\"x\"],[]]", "body: (1; 2); (x); ()\n" },
        { "[]", "body: \n" },
    };
    struct fixture *f = *state;
    struct spec *spec = parse_good(f, minimal);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(shown_body(f, spec, cases[i].json), cases[i].shown);
}

static void shown_values_stand_on_a_line_each_and_cannot_forge_one(void **state)
{
    struct fixture *f = *state;
    struct spec *spec =
        parse_good(f, with(f, "facts: {long: string length(body) > 3, none: 'null'}\n"
                              "show: [body, total, long, none]\n"));
    const struct feel_entry input[] = {
        { STR("body"), feel_string(STR("  hello\r\n\ttotal: 9 \x01 end\n")) },
        { STR("total"), { .kind = FEEL_NULL } },
    };
    const struct feel_entry facts[] = { { STR("long"), feel_boolean(true) },
                                        { STR("none"), { .kind = FEEL_NULL } } };
    struct feel_value in = { .kind = FEEL_CONTEXT, .context = { 2, input } };
    struct feel_value more = { .kind = FEEL_CONTEXT, .context = { 2, facts } };

    buf_reset(&f->out);
    spec_append_shown(&f->out, spec, &in, &more);
    assert_string_equal(f->out.at, "body: hello total: 9 end\nlong: true\n");
}

static void a_rendered_spec_reads_back_to_itself(void **state)
{
    struct fixture *f = *state;
    CLEANUP(buf_releasep) struct buf once = { 0 }, twice = { 0 };
    struct json *tree;

    buf_init(&once, 1 << 20);
    buf_init(&twice, 1 << 20);
    struct spec *spec = parse_good(f, with(f, "facts:\n  big: total != null and total > 1.50\n"
                                              "rules:\n- {name: R1, must: open, when: big, "
                                              "text: 'a: b'}\n"));
    assert_int_equal(spec_render(spec, &f->arena, &tree, &f->err), RC_OK);
    yaml_append(&once, tree);
    assert_non_null(strstr(once.at, "\n  budget_tokens: 3000000\n"));
    assert_non_null(strstr(once.at, "show:\n  - body\n  - total\n"));
    assert_non_null(strstr(once.at, "    split: none\n"));
    spec = parse_good(f, once.at);
    assert_int_equal(spec_render(spec, &f->arena, &tree, &f->err), RC_OK);
    yaml_append(&twice, tree);
    assert_string_equal(once.at, twice.at);
}

static void only_what_training_depends_on_changes_its_digest(void **state)
{
    static const char facts[] = "facts:\n  a: string length(body)\n  b: a > 3\n  c: a > 4\n";
    static const struct {
        const char *more;
        bool same_all, same_training;
    } cases[] = {
        { "facts:\n    a: string length(body) # comment\n    b: 'a > 3'\n    c: a > 4\n"
          "show: [body, b]\nabstain: {}\n",
          true, true },
        { "facts:\n  a: string length(body)\n  b: a > 3\n  c: a > 5\nshow: [body, b]\n", false,
          true },
        { "facts:\n  a: string length(body) + 1\n  b: a > 3\n  c: a > 4\nshow: [body, b]\n", false,
          false },
        { "facts:\n  a: string length(body)\n  b: a > 4\n  c: a > 4\nshow: [body, b]\n", false,
          false },
        { "show: [body]\n", false, false },
        { "RULES", false, true },
        { "SEED", false, false },
    };
    struct fixture *f = *state;
    struct spec_digests base, other;
    char text[1000];

    snprintf(text, sizeof(text), "%sshow: [body, b]\n", facts);
    assert_int_equal(spec_digests(parse_good(f, with(f, text)), &base, &f->err), RC_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *more = cases[i].more;

        if (strcmp(more, "RULES") == 0)
            snprintf(text, sizeof(text),
                     "%sshow: [body, b]\nrules: [{name: R, must: open, text: t}]\n"
                     "gates: [{metric: ece, max: 0.1, slice: s}]\nderived: {d: now()}\n"
                     "slices: {s: tags.n > 1}\n",
                     facts);
        else if (strcmp(more, "SEED") == 0)
            snprintf(text, sizeof(text), "%sshow: [body, b]\ntraining: {seed: 2}\n", facts);
        else
            snprintf(text, sizeof(text), "%s", more);
        assert_int_equal(spec_digests(parse_good(f, with(f, text)), &other, &f->err), RC_OK);
        if (digest_equal(&base.all, &other.all) != cases[i].same_all ||
            digest_equal(&base.training, &other.training) != cases[i].same_training)
            fail_msg("case %zu: %s", i, text);
    }
}

static void the_example_is_right_and_needs_no_order_total(void **state)
{
    struct fixture *f = *state;
    struct spec *spec = NULL;
    char path[4096];

    assert_int_equal(
        spec_read(test_source_path("examples/ecommerce/support/ticket-triage/slm.yaml", path),
                  &f->arena, &spec, &f->problems, &f->err),
        RC_OK);
    problem_append_text(&f->out, &f->problems);
    if (f->problems.n > 0)
        fail_msg("%s", f->out.at);
    assert_int_equal(spec->n_joint, 36);
    assert_int_equal(spec->derived[0].type.kind, FEEL_DATE_TIME);
}

static void every_failing_allocation_is_reported(void **state)
{
    struct fixture *f = *state;
    const char *text = with(f, "facts: {big: total > 1000}\ntables:\n  t: {path: t.csv, columns: "
                               "{a: string}}\nrules: [{name: R, must: 'not(big)', text: t}]\n"
                               "slices: {s: tags.n > 1 and input.total > 3}\n");
    enum rc rc = RC_OK;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct problems problems;
        struct spec_digests digests;
        struct arena arena;
        struct spec *spec = NULL;
        struct err err = { 0 };

        arena_init(&arena, 16 << 20);
        problem_init(&problems, &arena);
        rc = spec_parse(str_of(text), "s", &arena, &spec, &problems, &err);
        if (!rc) {
            assert_non_null(spec);
            rc = spec_digests(spec, &digests, &err);
        }
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
}

int main(void)
{
#define SPEC_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SPEC_TEST(defaults_are_filled_in),
        SPEC_TEST(every_section_is_read),
        SPEC_TEST(keys_that_are_wrong_are_refused_with_their_place),
        SPEC_TEST(fields_that_are_wrong_are_refused_with_their_place),
        SPEC_TEST(mistakes_inside_expressions_have_their_place_in_the_file),
        SPEC_TEST(what_an_absent_input_leaves_undetermined_is_noted),
        SPEC_TEST(a_list_has_at_most_a_thousand_entries),
        SPEC_TEST(joint_labels_count_through_all_combinations),
        SPEC_TEST(a_text_is_written_and_no_field_to_choose),
        SPEC_TEST(open_fields_stand_beside_each_other),
        SPEC_TEST(texts_and_labels_have_candidates_metrics_and_floors_of_their_own),
        SPEC_TEST(a_set_has_every_set_of_its_labels_as_values),
        SPEC_TEST(rules_see_a_set_as_a_list),
        SPEC_TEST(slices_see_input_output_and_tags),
        SPEC_TEST(who_writes_is_shown_a_line_for_each_leaf),
        SPEC_TEST(shown_lists_and_contexts_are_compact),
        SPEC_TEST(shown_values_stand_on_a_line_each_and_cannot_forge_one),
        SPEC_TEST(a_rendered_spec_reads_back_to_itself),
        SPEC_TEST(only_what_training_depends_on_changes_its_digest),
        SPEC_TEST(the_example_is_right_and_needs_no_order_total),
        SPEC_TEST(every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("spec/spec", tests, NULL, NULL);
}
