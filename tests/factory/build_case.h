/* build_case.h - a workspace in a temporary folder, with rows made of telling words. */
#ifndef TESTS_FACTORY_BUILD_CASE_H
#define TESTS_FACTORY_BUILD_CASE_H

#include "base/fs.h"
#include "decide/version.h"
#include "factory/build.h"
#include "tests/support/data.h"
#include "tests/support/dies.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINEAR_ONLY "training: {candidates: [linear]}\n"
#define MARGIN      "gates: [{metric: macro_f1, not_worse_margin: 0.05}]\n"

struct build_case {
    char dir[64], spec_path[128], builds_dir[128], bases_dir[128], registry_path[128];
    struct arena arena;
    struct problems problems;
    struct artifact_store *artifacts;
    struct registry *registry;
    struct kernels kernels;
    struct build_options options;
    int64_t now_ms;
    size_t n_stages, n_reused, n_fits; /* of the last run */
    const char *stop_at;
    bool stops_in_rows;
    char rows[200]; /* "verdict lora 10/12;" for each time it was told of rows */
};

static inline bool build_case_progress(void *context, const struct build_progress *p)
{
    struct build_case *c = context;

    if (*p->what == '\0') {
        c->n_stages++;
        c->n_reused += p->reused;
        if (c->stop_at && strcmp(p->stage, c->stop_at) == 0)
            return false;
    } else if (strncmp(p->stage, "train.", 6) == 0) {
        c->n_fits++;
    } else {
        size_t len = strlen(c->rows);

        snprintf(c->rows + len, sizeof(c->rows) - len, "%s %s %zu/%zu;", p->stage, p->what, p->done,
                 p->total);
        return !c->stops_in_rows;
    }
    return true;
}

static inline void build_case_reopen(struct build_case *c)
{
    struct err err = { 0 };

    assert_int_equal(
        registry_open(c->registry_path, c->artifacts, clock_fixed(&c->now_ms), &c->registry, &err),
        RC_OK);
    c->options.registry = build_registry_of(c->registry);
}

static inline void build_case_close_registry(struct build_case *c)
{
    registry_close(c->registry);
    c->registry = NULL;
}

static inline void build_case_open(struct build_case *c)
{
    struct err err = { 0 };
    char path[128];

    *c = (struct build_case){ .now_ms = 1764000000000 };
    snprintf(c->dir, sizeof(c->dir), "/tmp/shoal-build-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    snprintf(c->spec_path, sizeof(c->spec_path), "%s/slm.yaml", c->dir);
    snprintf(c->builds_dir, sizeof(c->builds_dir), "%s/builds", c->dir);
    snprintf(c->bases_dir, sizeof(c->bases_dir), "%s/bases", c->dir);
    snprintf(c->registry_path, sizeof(c->registry_path), "%s/registry.db", c->dir);
    snprintf(path, sizeof(path), "%s/artifacts", c->dir);
    arena_init(&c->arena, 256 << 20);
    assert_int_equal(artifact_store_open(path, &c->artifacts, &err), RC_OK);
    kernels_init(&c->kernels, cpu_best());
    c->options = (struct build_options){ .team = "desk",
                                         .slm = "triage",
                                         .spec_path = c->spec_path,
                                         .builds_dir = c->builds_dir,
                                         .bases_dir = c->bases_dir,
                                         .artifacts = c->artifacts,
                                         .principal = "anna",
                                         .engine_build = "test",
                                         .kernels = &c->kernels,
                                         .progress = build_case_progress };
    build_case_reopen(c);
}

static inline void build_case_close(struct build_case *c)
{
    struct err err = { 0 };

    registry_close(c->registry);
    artifact_store_close(c->artifacts);
    arena_release(&c->arena);
    assert_int_equal(fs_remove_tree(c->dir, &err), RC_OK);
}

static inline uint32_t build_case_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* n rows of a split; noise: percent of rows whose labels are drawn. A VIP is always urgent. */
static inline void build_case_rows(struct build_case *c, const char *split, size_t n,
                                   unsigned noise, uint32_t seed)
{
    static const char *const kinds[] = { "bill", "ship", "other" };
    static const char *const words[][4] = { { "invoice", "amount", "charged", "tax" },
                                            { "parcel", "courier", "delivered", "tracking" },
                                            { "question", "opening", "catalogue", "newsletter" } };
    static const char *const fillers[] = { "hello", "please", "today", "again", "order", "my",
                                           "could", "you",    "look",  "since", "week",  "thanks" };
    struct buf text;
    struct err err = { 0 };
    char path[128];

    buf_init(&text, 4 << 20);
    for (size_t i = 0; i < n; i++) {
        uint32_t kind = build_case_random(&seed) % 3;
        bool urgent = build_case_random(&seed) % 3 == 0, vip = build_case_random(&seed) % 5 == 0;
        bool drawn = build_case_random(&seed) % 100 < noise;

        buf_printf(&text, "{\"id\":\"%s-%zu\",\"input\":{\"text\":\"", split, i);
        for (size_t w = 0; w < 8; w++)
            buf_printf(&text, "%s ",
                       w % 3 == 1 ? words[kind][build_case_random(&seed) % 4]
                                  : fillers[build_case_random(&seed) % 12]);
        if (urgent)
            buf_append_text(&text, build_case_random(&seed) % 2 ? "immediately" : "emergency");
        if (drawn) {
            kind = build_case_random(&seed) % 3;
            urgent = build_case_random(&seed) % 2;
        }
        buf_printf(&text, " %zu\",\"vip\":%s},\"output\":{\"kind\":\"%s\",\"urgent\":%s}}\n", i,
                   vip ? "true" : "false", kinds[kind], urgent || vip ? "true" : "false");
    }
    snprintf(path, sizeof(path), "%s/%s.jsonl", c->dir, split);
    assert_int_equal(fs_write_atomic(path, text.at, text.len, 0600, &err), RC_OK);
    buf_release(&text);
}

/* The spec with `more` behind it, and rows: n to train, as many to test, half to validate. Test
 * rows are drawn only where noise is 100: otherwise they tell how good the training rows were. */
static inline void build_case_write_labels(struct build_case *c, const char *kinds,
                                           const char *more, size_t n, unsigned noise)
{
    static const char before[] = "slm: triage\n"
                                 "input:\n"
                                 "  type: object\n"
                                 "  required: [text, vip]\n"
                                 "  properties: {text: {type: string}, vip: {type: boolean}}\n"
                                 "output:\n"
                                 "  type: object\n";
    static const char spec[] = "show: [text]\n"
                               "rules:\n"
                               "  - {name: R1, when: vip, must: urgent, text: A VIP is urgent.}\n"
                               "data:\n"
                               "  - {path: train.jsonl, split: train}\n"
                               "  - {path: validation.jsonl, split: validation}\n"
                               "  - {path: test.jsonl, split: test}\n";
    struct buf text;
    struct err err = { 0 };

    buf_init(&text, 1 << 16);
    buf_append_text(&text, before);
    buf_printf(&text, "  properties: {kind: {enum: %s}, urgent: {type: boolean}}\n", kinds);
    buf_append_text(&text, spec);
    buf_append_text(&text, more);
    assert_int_equal(fs_write_atomic(c->spec_path, text.at, text.len, 0600, &err), RC_OK);
    buf_release(&text);
    build_case_rows(c, "train", n, noise + 3, 1);
    build_case_rows(c, "validation", n / 2, noise == 100 ? 100 : 3, 2);
    build_case_rows(c, "test", n, noise == 100 ? 100 : 3, 3);
}

static inline void build_case_write(struct build_case *c, const char *more, size_t n,
                                    unsigned noise)
{
    build_case_write_labels(c, "[bill, ship, other]", more, n, noise);
}

static inline enum rc build_case_run(struct build_case *c, struct build_result *ret_result,
                                     struct err *err)
{
    *ret_result = (struct build_result){ 0 };
    problem_init(&c->problems, &c->arena);
    c->n_stages = 0;
    c->options.clock = clock_fixed(&c->now_ms);
    c->options.progress_context = c;
    return build_run(&c->options, &c->arena, &c->problems, ret_result, err);
}

/* A process of its own opens the registry itself: for dies_at(). */
static inline enum rc build_case_run_anew(void *build_case, struct err *err)
{
    struct build_result result;

    build_case_reopen(build_case);
    return build_case_run(build_case, &result, err);
}

#endif
