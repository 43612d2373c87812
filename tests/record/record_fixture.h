/*
 * record_fixture.h - a team's record in a folder of its own, and decisions to put into it.
 */
#ifndef TESTS_RECORD_RECORD_FIXTURE_H
#define TESTS_RECORD_RECORD_FIXTURE_H

#include "tests/support/temp.h"

#include "record/decision.h"
#include "record/feedback.h"
#include "record/principal.h"

#include <string.h>

struct record_fixture {
    struct temp_dir dir;
    char path[TEMP_PATH_MAX];
    struct record *record;
    int64_t now_ms;
    struct arena arena;
    struct err err;
};

static inline void record_fixture_open(struct record_fixture *f)
{
    assert_ok(record_open(f->path, clock_fixed(&f->now_ms), &f->record, &f->err), &f->err);
}

static inline void record_fixture_reopen(struct record_fixture *f)
{
    record_close(f->record);
    f->record = NULL;
    record_fixture_open(f);
}

static inline int record_fixture_set_up(void **state)
{
    struct record_fixture *f = test_calloc(1, sizeof(*f));

    temp_dir_make(&f->dir);
    temp_path(&f->dir, "record.db", f->path);
    arena_init(&f->arena, 64 << 20);
    f->now_ms = 1764000000000;
    record_fixture_open(f);
    *state = f;
    return 0;
}

static inline int record_fixture_tear_down(void **state)
{
    struct record_fixture *f = *state;

    record_close(f->record);
    arena_release(&f->arena);
    temp_dir_remove(&f->dir);
    test_free(f);
    return 0;
}

static inline struct digest fixture_digest(const char *text)
{
    struct digest digest;
    struct err err;

    assert_ok(sha256_of(text, strlen(text), &digest, &err), &err);
    return digest;
}

/* key NULL: without. The request digest is that of the input. */
static inline struct decision fixture_decision(const char *input, const char *key)
{
    return (struct decision){
        .slm = "ticket-triage",
        .version = fixture_digest("version 1"),
        .input = str_of(input),
        .answer = STR("{\"output\":{\"priority\":\"high\"},\"abstained\":null}"),
        .tables = STR("{}"),
        .engine_build = "build 1",
        .principal = "shop",
        .idempotency_key = key,
        .request = fixture_digest(input),
        .recorded_ms = 1764000000123,
        .model_ms = 3.25,
    };
}

/* Stores a decision and returns its fate; its id is in d. */
static inline enum decision_fate fixture_add(struct record_fixture *f, struct decision *d)
{
    struct decision_outcome outcome;

    assert_ok(decision_add(f->record, d, 1, &f->arena, &outcome, &f->err), &f->err);
    return outcome.fate;
}

#endif
