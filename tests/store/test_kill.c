/*
 * Kills a process with SIGKILL at each failpoint that our databases and the artifact store pass,
 * then starts again: what was acknowledged is there, nothing is there twice, and it goes on.
 */
#include "tests/store/workload.h"

#include "base/failpoint.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEPS = 6, PASSAGES_MAX = 512, NAME_MAX_LEN = 64 };

/* What the child does: opens, does the steps, writes a byte for each that was acknowledged. */
static int run(struct workload *w, const char *path, const char *failpoint, const char *log,
               int acks)
{
    struct err err;

    if (failpoint_arm(failpoint, log, &err))
        return 2;
    if (w->kind->open(w, path, &err))
        return 3;
    for (size_t i = 0; i < STEPS; i++)
        if (w->kind->step(w, i, &err) || write(acks, "", 1) != 1)
            return 4;
    workload_close(w);
    return 0;
}

/* Gives the wait status and the number of acknowledged steps. */
static int run_child(struct workload *w, const char *path, const char *failpoint, const char *log,
                     size_t *ret_acknowledged)
{
    char bytes[STEPS + 1];
    int acks[2], status;
    ssize_t n, total = 0;

    assert_int_equal(pipe(acks), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(run(w, path, failpoint, log, acks[1]));
    close(acks[1]);
    while ((n = read(acks[0], bytes, sizeof(bytes))) > 0)
        total += n;
    close(acks[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    *ret_acknowledged = (size_t)total;
    return status;
}

static size_t n_temporaries(const struct workload *w)
{
    char path[TEMP_PATH_MAX];
    DIR *dir = opendir(temp_path(&w->dir, "sha256", path));
    struct dirent *entry;
    size_t n = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)))
        n += strstr(entry->d_name, ".tmp-") != NULL;
    closedir(dir);
    return n;
}

/* After the kill: what the next start finds. */
static void start_again(struct workload *w, const char *path, const char *failpoint,
                        size_t acknowledged)
{
    struct err err;
    size_t n = 0;

    artifact_store_close(w->artifacts);
    w->artifacts = NULL;
    assert_ok(artifact_store_open(w->dir.path, &w->artifacts, &err), &err);
    assert_int_equal(n_temporaries(w), 0);
    assert_ok(w->kind->open(w, path, &err), &err);
    assert_ok(w->kind->present(w, &n, &err), &err);
    if (n < acknowledged || n > acknowledged + 1)
        fail_msg("%s at %s: %zu acknowledged, %zu there", w->kind->name, failpoint, acknowledged,
                 n);
    for (size_t i = acknowledged; i < STEPS; i++)
        assert_ok(w->kind->step(w, i, &err), &err);
    assert_ok(w->kind->present(w, &n, &err), &err);
    assert_int_equal(n, STEPS);
}

/* The names of the failpoints in the order in which one run passes them. */
static size_t list_passages(const struct workload_kind *kind, char names[][NAME_MAX_LEN])
{
    char path[TEMP_PATH_MAX], log[TEMP_PATH_MAX];
    struct workload w;
    size_t acknowledged, n = 0;

    workload_init(&w, kind);
    temp_path(&w.dir, "test.db", path);
    temp_path(&w.dir, "passages", log);
    assert_int_equal(run_child(&w, path, NULL, log, &acknowledged), 0);
    assert_int_equal(acknowledged, STEPS);
    FILE *file = fopen(log, "r");
    assert_non_null(file);
    while (n < PASSAGES_MAX && fgets(names[n], NAME_MAX_LEN, file)) {
        names[n][strcspn(names[n], "\n")] = '\0';
        n++;
    }
    fclose(file);
    workload_release(&w);
    return n;
}

static void killed_at_any_failpoint_it_goes_on_where_it_was(void **state)
{
    static char names[PASSAGES_MAX][NAME_MAX_LEN];
    (void)state;

    for (size_t k = 0; k < WORKLOAD_KINDS; k++) {
        size_t n_passages = list_passages(&workload_kinds[k], names);

        assert_in_range(n_passages, STEPS, PASSAGES_MAX - 1);
        for (size_t i = 0; i < n_passages; i++) {
            char failpoint[2 * NAME_MAX_LEN], path[TEMP_PATH_MAX];
            size_t nth = 1, acknowledged;
            struct workload w;

            for (size_t before = 0; before < i; before++)
                nth += strcmp(names[before], names[i]) == 0;
            snprintf(failpoint, sizeof(failpoint), "%.63s=crash@%zu", names[i], nth);
            workload_init(&w, &workload_kinds[k]);
            temp_path(&w.dir, "test.db", path);
            int status = run_child(&w, path, failpoint, NULL, &acknowledged);
            if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
                fail_msg("%s at %s ended with %d", w.kind->name, failpoint, status);
            start_again(&w, path, failpoint, acknowledged);
            workload_release(&w);
        }
        printf("# %s: killed at each of %zu passages\n", workload_kinds[k].name, n_passages);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_any_failpoint_it_goes_on_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
