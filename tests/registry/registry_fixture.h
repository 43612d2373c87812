/*
 * registry_fixture.h - a registry in a folder of its own, and versions to put into it.
 */
#ifndef TESTS_REGISTRY_REGISTRY_FIXTURE_H
#define TESTS_REGISTRY_REGISTRY_FIXTURE_H

#include "tests/support/temp.h"

#include "registry/registry.h"

#include <string.h>

#define SLM "support/ticket-triage"

struct registry_fixture {
    struct temp_dir dir;
    char path[TEMP_PATH_MAX]; /* of registry.db */
    struct artifact_store *artifacts;
    struct registry *registry;
    int64_t now_ms;
    struct arena arena;
    struct err err;
};

static inline void registry_fixture_open(struct registry_fixture *f)
{
    assert_ok(registry_open(f->path, f->artifacts, clock_fixed(&f->now_ms), &f->registry, &f->err),
              &f->err);
}

static inline int registry_fixture_set_up(void **state)
{
    struct registry_fixture *f = test_calloc(1, sizeof(*f));

    temp_dir_make(&f->dir);
    temp_path(&f->dir, "registry.db", f->path);
    arena_init(&f->arena, 64 << 20);
    f->now_ms = 1764000000000;
    assert_ok(artifact_store_open(f->dir.path, &f->artifacts, &f->err), &f->err);
    registry_fixture_open(f);
    *state = f;
    return 0;
}

static inline int registry_fixture_tear_down(void **state)
{
    struct registry_fixture *f = *state;

    registry_close(f->registry);
    artifact_store_close(f->artifacts);
    arena_release(&f->arena);
    temp_dir_remove(&f->dir);
    test_free(f);
    return 0;
}

static inline struct digest fixture_part(struct registry_fixture *f, const char *text)
{
    struct digest digest;

    assert_ok(artifact_put(f->artifacts, text, strlen(text), &digest, &f->err), &f->err);
    return digest;
}

/* A manifest whose parts are stored. Different `build` texts give different versions. */
static inline struct manifest fixture_manifest(struct registry_fixture *f, const char *build)
{
    return (struct manifest){
        .team = "support",
        .slm = "ticket-triage",
        .spec = fixture_part(f, "name: ticket-triage"),
        .dataset = fixture_part(f, "{\"text\":\"...\"}\n"),
        .base = fixture_part(f, "base"),
        .adapter = fixture_part(f, build),
        .report = fixture_part(f, "{}"),
        .calibration = STR("{\"temperature\":1.25}"),
        .engine_build = build,
        .created_by = "anna",
        .created_ms = f->now_ms,
    };
}

/* Registers a version and returns its digest. */
static inline struct digest fixture_version(struct registry_fixture *f, const char *build,
                                            enum registry_verdict verdict)
{
    static const char *const reasons[] = { "macro-F1 0.71 is below the gate 0.80" };
    struct manifest manifest = fixture_manifest(f, build);
    struct digest digest;
    int64_t number;

    assert_ok(registry_register(f->registry, &manifest, verdict, reasons,
                                verdict == REGISTRY_REJECTED, &digest, &number, &f->err),
              &f->err);
    return digest;
}

#endif
