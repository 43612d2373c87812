#include "tests/support/data.h"
#include "tests/support/drawn_text.h"
#include "tests/support/test.h"

#include "base/arena.h"
#include "base/fs.h"
#include "base/json.h"
#include "engine/tokenizer/wordpiece.h"

#include <string.h>

enum { N_IDS_MAX = 4096, N_LINES = 10000, SEED = 20261123 };

static const char tiny_vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##aff\n##able\n##a\n,\nab\n";

struct fixture {
    struct arena arena;
    struct wordpiece *w;
    int32_t ids[N_IDS_MAX];
    size_t n_ids;
    struct err err;
};

static void open_tiny(struct fixture *f)
{
    arena_init(&f->arena, 1 << 20);
    if (wordpiece_open(str_of(tiny_vocabulary), &f->arena, &f->w, &f->err))
        fail_msg("%s", f->err.message);
}

static void open_base(struct fixture *f)
{
    char path[4096];
    struct str vocabulary;

    arena_init(&f->arena, 16 << 20);
    if (fs_read_file(test_base_path("vocab.txt", path), 1 << 20, &f->arena, &vocabulary, &f->err) ||
        wordpiece_open(vocabulary, &f->arena, &f->w, &f->err))
        fail_msg("%s", f->err.message);
}

static void words_become_their_longest_pieces(void **state)
{
    static const struct {
        const char *text;
        int32_t ids[8];
        size_t n_ids;
    } cases[] = {
        { "", { 2, 3 }, 2 },
        { "unaffable", { 2, 4, 5, 6, 3 }, 5 },
        { "Un\xc3\xa0"
          "ffable,UNA",
          { 2, 4, 5, 6, 8, 4, 7, 3 },
          8 },
        { "unaffably", { 2, 1, 3 }, 3 },   /* all or nothing */
        { "aff able", { 2, 1, 1, 3 }, 4 }, /* ## entries never begin a word */
        { "un aff", { 2, 4, 1, 3 }, 4 },
        { "un\xc2\xad", { 2, 4, 3 }, 3 },
    };
    struct fixture f = { 0 };
    (void)state;

    open_tiny(&f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n_counted;
        assert_int_equal(
            wordpiece_encode(f.w, str_of(cases[i].text), N_IDS_MAX, f.ids, &f.n_ids, &f.err),
            RC_OK);
        assert_int_equal(f.n_ids, cases[i].n_ids);
        assert_memory_equal(f.ids, cases[i].ids, f.n_ids * sizeof(f.ids[0]));
        assert_int_equal(wordpiece_count(f.w, str_of(cases[i].text), &n_counted, &f.err), RC_OK);
        assert_int_equal(n_counted, f.n_ids);
    }
    arena_release(&f.arena);
}

static void special_tokens_in_a_text_are_plain_text(void **state)
{
    struct fixture f = { 0 };
    (void)state;

    open_tiny(&f);
    assert_int_equal(wordpiece_encode(f.w, STR("[SEP]"), N_IDS_MAX, f.ids, &f.n_ids, &f.err),
                     RC_OK);
    const int32_t want[] = { 2, 1, 1, 1, 3 }; /* the brackets are words of their own */
    assert_int_equal(f.n_ids, 5);
    assert_memory_equal(f.ids, want, sizeof(want));
    arena_release(&f.arena);
}

static void a_text_over_the_limit_is_refused_and_never_cut(void **state)
{
    struct fixture f = { 0 };
    (void)state;

    open_tiny(&f);
    f.ids[4] = 77;
    assert_int_equal(wordpiece_encode(f.w, STR("un un un"), 4, f.ids, &f.n_ids, &f.err), RC_LIMIT);
    assert_string_equal(f.err.message, "text has 5 tokens, at most 4 allowed");
    assert_int_equal(f.ids[4], 77);
    assert_int_equal(wordpiece_encode(f.w, STR("un un un"), 5, f.ids, &f.n_ids, &f.err), RC_OK);
    arena_release(&f.arena);
}

static void texts_that_are_not_utf8_are_refused(void **state)
{
    static const struct {
        const char *text, *message;
    } texts[] = {
        { "ab\xff", "text is not UTF-8 at byte 2" },
        { "\xc0\xaf", "text is not UTF-8 at byte 0" },
        { "a\xed\xa0\x80", "text is not UTF-8 at byte 1" },
        { "\xf4\x90\x80\x80", "text is not UTF-8 at byte 0" },
        { "abc\xe4\xbd", "text is not UTF-8 at byte 3" },
    };
    struct fixture f = { 0 };
    (void)state;

    open_tiny(&f);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(
            wordpiece_encode(f.w, str_of(texts[i].text), N_IDS_MAX, f.ids, &f.n_ids, &f.err),
            RC_INVALID);
        assert_string_equal(f.err.message, texts[i].message);
    }
    arena_release(&f.arena);
}

static void broken_vocabularies_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *text;
        enum rc rc;
        const char *message;
    } vocabularies[] = {
        { "", RC_CORRUPT, "vocabulary: [UNK] is missing" },
        { "[UNK]\n[CLS]\n", RC_CORRUPT, "vocabulary: [SEP] is missing" },
        { "[UNK]\n\n[CLS]\n[SEP]\n", RC_CORRUPT, "vocabulary: line 2 is empty" },
        { "[UNK]\n[CLS]\n[SEP]\n[CLS]", RC_CORRUPT, "vocabulary: line 4 repeats '[CLS]'" },
    };
    char long_line[WORDPIECE_ENTRY_BYTES_MAX + 2];
    struct arena arena;
    struct wordpiece *w;
    struct err err;
    (void)state;

    arena_init(&arena, 16 << 20);
    for (size_t i = 0; i < ARRAY_LEN(vocabularies); i++) {
        assert_int_equal(wordpiece_open(str_of(vocabularies[i].text), &arena, &w, &err),
                         vocabularies[i].rc);
        assert_string_equal(err.message, vocabularies[i].message);
    }
    memset(long_line, 'x', sizeof(long_line));
    assert_int_equal(
        wordpiece_open((struct str){ long_line, WORDPIECE_ENTRY_BYTES_MAX + 1 }, &arena, &w, &err),
        RC_LIMIT);
    char *lines = arena_array(&arena, char, WORDPIECE_ENTRIES_MAX + 1);
    memset(lines, '\n', WORDPIECE_ENTRIES_MAX + 1);
    assert_int_equal(
        wordpiece_open((struct str){ lines, WORDPIECE_ENTRIES_MAX + 1 }, &arena, &w, &err),
        RC_LIMIT);
    arena_release(&arena);
}

static void every_failing_allocation_is_reported(void **state)
{
    enum rc rc = RC_OK;
    (void)state;

    FOR_EACH_FAILING_ALLOC (nth) {
        struct arena arena;
        struct wordpiece *w;
        struct err err;

        arena_init(&arena, 1 << 20);
        rc = wordpiece_open(str_of(tiny_vocabulary), &arena, &w, &err);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        arena_release(&arena);
    }
    assert_int_equal(rc, RC_OK);
}

static void hand_written_lines_get_the_ids_of_tokenizers(void **state)
{
    char path[4096];
    struct str lines;
    struct fixture f = { 0 };
    (void)state;

    open_base(&f);
    if (fs_read_file(test_source_path("tests/golden/wordpiece_lines.jsonl", path), 1 << 20,
                     &f.arena, &lines, &f.err))
        fail_msg("%s", f.err.message);
    for (size_t at = 0; at < lines.len;) {
        size_t len =
            (size_t)((const char *)memchr(lines.at + at, '\n', lines.len - at) - (lines.at + at));
        struct json *line;

        assert_int_equal(json_parse((struct str){ lines.at + at, len }, JSON_DUPLICATES_REFUSED,
                                    &f.arena, &line, &f.err),
                         RC_OK);
        const struct json *ids = json_find(line, "ids");
        struct str text = json_find(line, "text")->text;
        assert_int_equal(wordpiece_encode(f.w, text, N_IDS_MAX, f.ids, &f.n_ids, &f.err), RC_OK);
        if (f.n_ids != ids->n)
            fail_msg("'%.*s': %zu ids, not %zu", STR_ARG(text), f.n_ids, ids->n);
        for (size_t i = 0; i < ids->n; i++) {
            int64_t want;
            assert_true(json_to_i64(&ids->items[i], &want));
            if (f.ids[i] != want)
                fail_msg("'%.*s': id %zu is %d, not %d", STR_ARG(text), i, f.ids[i], (int)want);
        }
        at += len + 1;
    }
    arena_release(&f.arena);
}

/* The generator of tools/golden/wordpiece.py, which explains it. */
static void append_part(struct buf *out, const struct wordpiece *w)
{
    uint32_t kind = draw_below(16);

    if (kind < 7) {
        uint32_t id = draw_below((uint32_t)wordpiece_n_entries(w));
        bool is_special = id == 0 || (id >= 100 && id <= 103);
        buf_append_str(out, is_special ? STR("the") : wordpiece_entry(w, id));
    } else if (kind < 15) {
        append_drawn_characters(out);
    } else {
        char letter = (char)('a' + draw_below(26));
        for (uint32_t n = 90 + draw_below(20); n > 0; n--)
            buf_append_char(out, letter);
    }
    if (draw_below(2))
        buf_append_char(out, ' ');
}

static void ten_thousand_generated_lines_get_the_ids_of_tokenizers(void **state)
{
    char path[4096];
    struct str golden;
    struct fixture f = { 0 };
    struct buf text;
    (void)state;

    open_base(&f);
    buf_init(&text, 1 << 16);
    if (fs_read_file(test_source_path("tests/golden/wordpiece_digests.txt", path), 1 << 20,
                     &f.arena, &golden, &f.err))
        fail_msg("%s", f.err.message);
    const char *at = strchr(golden.at, '\n') + 1;
    draw_state = SEED;
    for (int line = 0; line < N_LINES; line++, at += 18) {
        buf_reset(&text);
        for (uint32_t n = 1 + draw_below(24); n > 0; n--)
            append_part(&text, f.w);
        assert_int_equal(fnv(text.at, text.len), strtoul(at, NULL, 16));
        if (wordpiece_encode(f.w, buf_str(&text), N_IDS_MAX, f.ids, &f.n_ids, &f.err))
            fail_msg("line %d: %s", line, f.err.message);
        if (fnv(f.ids, f.n_ids * sizeof(f.ids[0])) != strtoul(at + 9, NULL, 16))
            fail_msg("line %d: other ids for '%s'", line, text.at);
    }
    assert_ptr_equal(at, golden.at + golden.len);
    buf_release(&text);
    arena_release(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_their_longest_pieces),
        cmocka_unit_test(special_tokens_in_a_text_are_plain_text),
        cmocka_unit_test(a_text_over_the_limit_is_refused_and_never_cut),
        cmocka_unit_test(texts_that_are_not_utf8_are_refused),
        cmocka_unit_test(broken_vocabularies_are_refused_with_a_reason),
        cmocka_unit_test(every_failing_allocation_is_reported),
        cmocka_unit_test(hand_written_lines_get_the_ids_of_tokenizers),
        cmocka_unit_test(ten_thousand_generated_lines_get_the_ids_of_tokenizers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
