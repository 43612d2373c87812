#include "tests/support/test.h"

#include "base/fs.h"
#include "spec/workspace.h"

#include <stdio.h>
#include <stdlib.h>

struct fixture {
    char dir[64];
    struct arena arena;
    struct problems problems;
    struct err err;
};

static int set_up(void **state)
{
    static struct fixture f;

    snprintf(f.dir, sizeof(f.dir), "/tmp/shoal-workspace-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    arena_init(&f.arena, 1 << 20);
    problem_init(&f.problems, &f.arena);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    arena_release(&f->arena);
    return (int)fs_remove_tree(f->dir, &f->err);
}

static void write_file(struct fixture *f, const char *name, const char *text)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    *strrchr(path, '/') = '\0';
    assert_int_equal(fs_make_dirs(path, &f->err), RC_OK);
    path[strlen(path)] = '/';
    assert_int_equal(fs_write_atomic(path, text, strlen(text), 0600, &f->err), RC_OK);
}

static void teams_and_their_slms_are_listed(void **state)
{
    struct fixture *f = *state;
    struct spec_workspace *workspace;
    const char *const *names, *found;
    char below[200];
    size_t n;

    write_file(f, "shoal.yaml",
               "organisation: Reef\nteams:\n  support:\n  finance:\n"
               "    description: Pays\n");
    write_file(f, "support/triage/slm.yaml", "x");
    write_file(f, "support/answer/slm.yaml", "x");
    write_file(f, "support/notes/readme.md", "x");
    assert_int_equal(spec_workspace_read(f->dir, &f->arena, &workspace, &f->problems, &f->err),
                     RC_OK);
    assert_int_equal(f->problems.n, 0);
    assert_int_equal(workspace->n_teams, 2);
    assert_true(str_is(workspace->teams[1].name.text, "finance"));
    assert_true(str_is(workspace->teams[1].description.text, "Pays"));
    assert_int_equal(spec_workspace_slms(workspace, STR("support"), &f->arena, &n, &names, &f->err),
                     RC_OK);
    assert_int_equal(n, 2);
    assert_string_equal(names[0], "answer");
    assert_string_equal(names[1], "triage");
    assert_int_equal(spec_workspace_slms(workspace, STR("finance"), &f->arena, &n, &names, &f->err),
                     RC_NOT_FOUND);

    snprintf(below, sizeof(below), "%s/support/notes", f->dir);
    assert_int_equal(spec_workspace_find(below, &f->arena, &found, &f->err), RC_OK);
    assert_string_equal(found, f->dir);
    assert_int_equal(spec_workspace_find("/", &f->arena, &found, &f->err), RC_NOT_FOUND);
}

static void what_is_wrong_with_shoal_yaml_is_listed(void **state)
{
    struct fixture *f = *state;
    struct spec_workspace *workspace = NULL;
    CLEANUP(buf_releasep) struct buf out = { 0 };
    char expected[1000];

    buf_init(&out, 1000);
    write_file(f, "shoal.yaml", "organization: Reef\nteams:\n  ../x:\n  a: {descripton: b}\n");
    assert_int_equal(spec_workspace_read(f->dir, &f->arena, &workspace, &f->problems, &f->err),
                     RC_OK);
    assert_null(workspace);
    problem_append_text(&out, &f->problems);
    snprintf(expected, sizeof(expected),
             "%s/shoal.yaml:1:1: error: unknown key 'organization' of the workspace, did you mean "
             "'organisation'? [unknown_key]\n"
             "%s/shoal.yaml:1:1: error: the workspace has no 'organisation': name of the "
             "organisation [missing]\n"
             "%s/shoal.yaml:4:7: error: unknown key 'descripton' of a team, did you mean "
             "'description'? [unknown_key]\n"
             "%s/shoal.yaml:3:3: error: '../x' is no name of a team: lower-case letters, digits "
             "and '-', at most 64 [name]\n",
             f->dir, f->dir, f->dir, f->dir);
    assert_string_equal(out.at, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(teams_and_their_slms_are_listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_wrong_with_shoal_yaml_is_listed, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("spec/workspace", tests, NULL, NULL);
}
