#include "tests/store/workload.h"

#include "record/decision.h"
#include "record/feedback.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = 3, VERSIONS = 4, ARENA_BYTES = 64 << 20 };

static struct digest digest_of(const char *text)
{
    struct digest digest;
    struct err err;

    assert_ok(sha256_of(text, strlen(text), &digest, &err), &err);
    return digest;
}

/* Registry: four versions, then the alias goes round between them. */

static enum rc open_registry(struct workload *w, const char *path, struct err *err)
{
    return registry_open(path, w->artifacts, clock_fixed(&w->now_ms), &w->registry, err);
}

static enum rc register_version(struct workload *w, size_t i, struct err *err)
{
    struct manifest manifest = {
        .team = "support",
        .slm = "ticket-triage",
        .spec = w->parts,
        .dataset = w->parts,
        .calibration = STR("{}"),
        .engine_build = "build",
        .created_by = "anna",
        .created_ms = (int64_t)i,
    };
    struct digest digest;
    int64_t number;

    enum rc rc = registry_register(w->registry, &manifest, REGISTRY_ACCEPTED, NULL, 0, &digest,
                                   &number, err);
    if (rc == RC_OK && number != (int64_t)i + 1)
        fail_msg("version %zu got the number %" PRId64, i, number);
    return rc;
}

static enum rc step_registry(struct workload *w, size_t i, struct err *err)
{
    char ref[16];

    if (i < VERSIONS)
        return register_version(w, i, err);
    snprintf(ref, sizeof(ref), "@%zu", i % VERSIONS + 1);
    return registry_promote(w->registry, "support/ticket-triage", ref, "production", "anna", ref,
                            err);
}

static enum rc count_history(struct workload *w, struct arena *arena, size_t *ret_n,
                             struct err *err)
{
    struct registry_change *changes;

    enum rc rc = registry_history(w->registry, "support/ticket-triage", "production", arena,
                                  &changes, ret_n, err);
    for (size_t k = 0; !rc && k < *ret_n; k++) {
        char why[16];

        snprintf(why, sizeof(why), "@%zu", (*ret_n - 1 - k + VERSIONS) % VERSIONS + 1);
        if (strcmp(changes[k].why, why) != 0)
            return err_set(err, RC_CORRUPT, "history row %zu says %s", k, changes[k].why);
    }
    return rc;
}

static enum rc present_registry(struct workload *w, size_t *ret_n, struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    struct registry_version *versions;
    size_t n_versions, n_changes;

    arena_init(&arena, ARENA_BYTES);
    enum rc rc = registry_list(w->registry, NULL, &arena, &versions, &n_versions, err);
    if (rc)
        return rc;
    rc = count_history(w, &arena, &n_changes, err);
    if (rc)
        return rc;
    if (n_versions > VERSIONS || (n_changes && n_versions < VERSIONS))
        return err_set(err, RC_CORRUPT, "%zu versions, %zu changes", n_versions, n_changes);
    *ret_n = n_versions + n_changes;
    return RC_OK;
}

/* Record: batches of three decisions, each followed by feedback on the first of the three. */

static enum rc open_record(struct workload *w, const char *path, struct err *err)
{
    return record_open(path, clock_fixed(&w->now_ms), &w->record, err);
}

static enum rc add_batch(struct workload *w, size_t batch, struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    struct decision decisions[BATCH];
    struct decision_outcome outcomes[BATCH];
    char keys[BATCH][32];

    arena_init(&arena, ARENA_BYTES);
    for (size_t k = 0; k < BATCH; k++) {
        snprintf(keys[k], sizeof(keys[k]), "%zu-%zu", batch, k);
        decisions[k] = (struct decision){
            .slm = "ticket-triage",
            .version = w->parts,
            .input = STR("{\"subject\":\"Where is my parcel\",\"body\":\"It should be here.\"}"),
            .answer = STR("{\"output\":{\"priority\":\"high\"},\"abstained\":null}"),
            .tables = STR("{}"),
            .engine_build = "build",
            .principal = "shop",
            .idempotency_key = keys[k],
            .request = w->parts,
            .recorded_ms = (int64_t)batch,
        };
    }
    return decision_add(w->record, decisions, BATCH, &arena, outcomes, err);
}

static enum rc add_feedback(struct workload *w, size_t batch, struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    struct feedback feedback = { .kind = FEEDBACK_VERDICT,
                                 .is_right = true,
                                 .principal = "anna",
                                 .idempotency_key = "once",
                                 .request = w->parts };
    struct decision decision;
    char key[32];
    bool found;

    arena_init(&arena, ARENA_BYTES);
    snprintf(key, sizeof(key), "%zu-0", batch);
    enum rc rc = decision_find_by_key(w->record, "shop", "ticket-triage", key, &w->parts, &arena,
                                      &found, &decision, err);
    if (rc)
        return rc;
    if (!found)
        return err_set(err, RC_NOT_FOUND, "decision %s", key);
    memcpy(feedback.decision_id, decision.id, sizeof(decision.id));
    return feedback_add(w->record, &feedback, err);
}

static enum rc step_record(struct workload *w, size_t i, struct err *err)
{
    return i % 2 ? add_feedback(w, i / 2, err) : add_batch(w, i / 2, err);
}

static enum rc present_record(struct workload *w, size_t *ret_n, struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    struct decision *decisions;
    size_t n, n_feedback = 0;

    arena_init(&arena, ARENA_BYTES);
    enum rc rc = decision_list(w->record, NULL, NULL, RECORD_LIST_MAX, &arena, &decisions, &n, err);
    if (rc)
        return rc;
    if (n % BATCH)
        return err_set(err, RC_CORRUPT, "%zu decisions: a batch is not whole", n);
    for (size_t k = 0; k < n; k++) {
        struct feedback *list;
        size_t n_list;
        char key[32];

        snprintf(key, sizeof(key), "%zu-%zu", (n - 1 - k) / BATCH, (n - 1 - k) % BATCH);
        if (strcmp(decisions[k].idempotency_key, key) != 0)
            return err_set(err, RC_CORRUPT, "decision %s in the place of %s",
                           decisions[k].idempotency_key, key);
        rc = feedback_list(w->record, decisions[k].id, &arena, &list, &n_list, err);
        if (rc)
            return rc;
        if (n_list > 1)
            return err_set(err, RC_CORRUPT, "%zu times feedback on %s", n_list, key);
        n_feedback += n_list;
    }
    if (n_feedback > n / BATCH || n_feedback + 1 < n / BATCH)
        return err_set(err, RC_CORRUPT, "%zu decisions with %zu feedback", n, n_feedback);
    *ret_n = n / BATCH + n_feedback;
    return RC_OK;
}

/* Journal: each step is begun, then finished. */

static enum rc open_journal(struct workload *w, const char *path, struct err *err)
{
    return journal_open(path, clock_fixed(&w->now_ms), &w->journal, err);
}

static enum rc step_journal(struct workload *w, size_t i, struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    struct journal_step step;
    char name[32], result[64];

    arena_init(&arena, ARENA_BYTES);
    snprintf(name, sizeof(name), "epoch %zu", i / 2);
    snprintf(result, sizeof(result), "{\"epoch\":%zu}", i / 2);
    struct digest inputs = digest_of(name);
    return i % 2 ? journal_finish(w->journal, name, str_of(result), &arena, &step, err)
                 : journal_begin(w->journal, name, &inputs, &arena, &step, err);
}

static enum rc present_journal(struct workload *w, size_t *ret_n, struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    struct journal_step *steps;
    size_t n, n_present = 0;

    arena_init(&arena, ARENA_BYTES);
    enum rc rc = journal_list(w->journal, &arena, &steps, &n, err);
    if (rc)
        return rc;
    for (size_t k = 0; k < n; k++) {
        char name[32], result[64];

        snprintf(name, sizeof(name), "epoch %zu", k);
        snprintf(result, sizeof(result), "{\"epoch\":%zu}", k);
        bool is_finished = steps[k].state == JOURNAL_FINISHED;
        if (strcmp(steps[k].name, name) != 0 || (is_finished && !str_is(steps[k].result, result)))
            return err_set(err, RC_CORRUPT, "step %zu is '%s'", k, steps[k].name);
        if (!is_finished && k + 1 < n)
            return err_set(err, RC_CORRUPT, "step %zu has no result, the next one is begun", k);
        n_present += 1 + is_finished;
    }
    *ret_n = n_present;
    return RC_OK;
}

const struct workload_kind workload_kinds[WORKLOAD_KINDS] = {
    { "registry", open_registry, step_registry, present_registry },
    { "record", open_record, step_record, present_record },
    { "journal", open_journal, step_journal, present_journal },
};

void workload_init(struct workload *w, const struct workload_kind *kind)
{
    struct err err;

    *w = (struct workload){ .kind = kind, .now_ms = 1764000000000 };
    temp_dir_make(&w->dir);
    assert_ok(artifact_store_open(w->dir.path, &w->artifacts, &err), &err);
    assert_ok(artifact_put(w->artifacts, "part", 4, &w->parts, &err), &err);
}

void workload_close(struct workload *w)
{
    registry_close(w->registry);
    record_close(w->record);
    journal_close(w->journal);
    w->registry = NULL;
    w->record = NULL;
    w->journal = NULL;
}

void workload_release(struct workload *w)
{
    workload_close(w);
    artifact_store_close(w->artifacts);
    temp_dir_remove(&w->dir);
}
