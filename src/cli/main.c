/*
 * main.c - the composition root: settings, command, result, and the same backwards.
 *
 * The one place that prints an error and chooses the exit status.
 */
#include "base/failpoint.h"
#include "cli/build_id.h"
#include "cli/cli.h"
#include "cli/config_paths.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int status_of(const struct cli *cli, enum rc rc)
{
    if (rc == RC_OK)
        return cli->status;
    if (cli->is_usage)
        return CLI_STATUS_USAGE;
    return rc_is_transient(rc) ? CLI_STATUS_TRANSIENT : CLI_STATUS_FAILED;
}

static void report(const struct cli *cli, enum rc rc, const struct err *err)
{
    if (cli->config.json) {
        struct json_writer w;
        struct buf out;

        buf_init(&out, 1 << 16);
        json_writer_init(&w, &out);
        json_begin_object(&w);
        json_key(&w, "error");
        json_begin_object(&w);
        json_key(&w, "code");
        json_text(&w, rc_name(rc));
        json_key(&w, "message");
        json_text(&w, err->message);
        if (cli->hint[0]) {
            json_key(&w, "next");
            json_text(&w, cli->hint);
        }
        json_end_object(&w);
        json_end_object(&w);
        fprintf(stderr, "%s\n", out.at ? out.at : "{}");
        buf_release(&out);
        return;
    }
    fprintf(stderr, "shoal: %s\n", err->message);
    if (cli->hint[0])
        fprintf(stderr, "       %s\n", cli->hint);
}

static enum rc print_version(const struct cli *cli, struct err *err)
{
    struct buf out;

    buf_init(&out, 1024);
    buf_printf(&out, "shoal %s (%s)\n", CONFIG_VERSION, cli->engine_build);

    enum rc rc = cli_print(&out, err);
    buf_release(&out);
    return rc;
}

/* One command, or the overview: of all, or of those that begin with prefix. */
static enum rc print_help(const struct cli *cli, const char *prefix, struct err *err)
{
    struct buf out;

    buf_init(&out, 1 << 20);
    if (cli->command)
        cli_append_help(cli->command, &out);
    else
        cli_append_overview(&out, prefix);

    enum rc rc = cli_print(&out, err);
    buf_release(&out);
    return rc;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

static enum rc run(struct cli *cli, int argc, char *const argv[], struct err *err)
{
    bool wants_help = false;
    enum rc rc = config_init(&cli->arena, &cli->config, err);

    if (rc) {
        cli->is_usage = rc == RC_INVALID;
        return rc;
    }
    if (argc < 2 || is_help(argv[1]))
        return print_help(cli, NULL, err);
    if (strcmp(argv[1], "--version") == 0)
        return print_version(cli, err);

    if (argc == 3 && is_help(argv[2]) && cli_is_prefix(argv[1]))
        return print_help(cli, argv[1], err);

    rc = cli_parse(cli, argc, argv, &wants_help, err);
    if (rc)
        return rc;
    if (wants_help)
        return print_help(cli, NULL, err);

    rc = config_finish(&cli->config, &cli->arena, err);
    if (rc)
        return rc;
    if (cli->config.failpoint || cli->config.failpoint_log) {
        rc = failpoint_arm(cli->config.failpoint, cli->config.failpoint_log, err);
        if (rc)
            return rc;
    }
    return cli->command->run(cli, err);
}

int main(int argc, char *argv[])
{
    struct cli cli = { .engine_build = CLI_BUILD_ID };
    struct err err = { 0 };

    arena_init(&cli.arena, CLI_ARENA_BYTES_MAX);

    enum rc rc = run(&cli, argc, argv, &err);
    if (fflush(stdout) != 0 && rc == RC_OK)
        rc = err_set(&err, RC_IO, "cannot write to standard output");
    if (rc)
        report(&cli, rc, &err);

    int status = status_of(&cli, rc);
    arena_release(&cli.arena);
    return status;
}
