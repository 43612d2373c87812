/* command_line.c - what the user typed, against the table of commands. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>

enum { WORD_MAX = 32, DISTANCE_MAX = 2, PORT_MAX = 65535 };

/* Edit distance with transpositions; words longer than WORD_MAX are as far as can be. */
static size_t distance(struct str a, struct str b)
{
    size_t cost[WORD_MAX + 1][WORD_MAX + 1];

    if (a.len > WORD_MAX || b.len > WORD_MAX)
        return WORD_MAX;
    for (size_t i = 0; i <= a.len; i++) {
        for (size_t j = 0; j <= b.len; j++) {
            if (i == 0 || j == 0) {
                cost[i][j] = i + j;
                continue;
            }

            size_t best = cost[i - 1][j - 1] + (a.at[i - 1] != b.at[j - 1]);
            if (best > cost[i - 1][j] + 1)
                best = cost[i - 1][j] + 1;
            if (best > cost[i][j - 1] + 1)
                best = cost[i][j - 1] + 1;
            if (i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] && a.at[i - 2] == b.at[j - 1] &&
                best > cost[i - 2][j - 2] + 1)
                best = cost[i - 2][j - 2] + 1;
            cost[i][j] = best;
        }
    }
    return cost[a.len][b.len];
}

/* Keeps the candidate nearest to what was typed. */
struct guess {
    struct str typed;
    const char *best;
    size_t best_distance;
};

static void guess_offer(struct guess *g, const char *candidate)
{
    size_t d = distance(g->typed, str_of(candidate));

    if (d <= DISTANCE_MAX && d < g->typed.len && (!g->best || d < g->best_distance)) {
        g->best = candidate;
        g->best_distance = d;
    }
}

const char *cli_option(const struct cli *cli, const char *name)
{
    for (size_t i = 0; cli->command->options[i].name; i++)
        if (strcmp(cli->command->options[i].name, name) == 0)
            return cli->values[i];
    assert_fail("the option is in the command's list", __FILE__, __LINE__);
}

enum rc cli_port(struct cli *cli, unsigned fallback, unsigned *ret_port, struct err *err)
{
    const char *text = cli_option(cli, "port");
    unsigned port = 0;

    if (!text) {
        *ret_port = fallback;
        return RC_OK;
    }
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9' || port > PORT_MAX)
            return cli_usage(cli, err, "--port '%s': expected 0 to %d", text, PORT_MAX);
        port = port * 10 + (unsigned)(*c - '0');
    }
    if (text[0] == '\0' || port > PORT_MAX)
        return cli_usage(cli, err, "--port '%s': expected 0 to %d", text, PORT_MAX);
    *ret_port = port;
    return RC_OK;
}

enum rc cli_hint(struct cli *cli, enum rc rc, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(cli->hint, sizeof(cli->hint), fmt, ap);
    va_end(ap);
    return rc;
}

enum rc cli_usage(struct cli *cli, struct err *err, const char *fmt, ...)
{
    char message[ERR_MESSAGE_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    cli->is_usage = true;
    return err_set(err, RC_INVALID, "%s", message);
}

/* The command's first word is `word`, whatever follows. */
static bool begins_with_word(const char *name, const char *word)
{
    size_t len = strlen(word);

    return strncmp(name, word, len) == 0 && (name[len] == '\0' || name[len] == ' ');
}

/* Finds the longest name that the words spell. Words used: 0 when there is none. */
static size_t find_command(int n_words, char *const words[], const struct command **ret_command)
{
    size_t best = 0;

    for (size_t i = 0; i < cli_n_commands; i++) {
        const char *space = strchr(cli_commands[i].name, ' ');
        size_t n = space ? 2 : 1;

        if (n > (size_t)n_words || n <= best || !begins_with_word(cli_commands[i].name, words[0]))
            continue;
        if (n == 2 && strcmp(space + 1, words[1]) != 0)
            continue;
        best = n;
        *ret_command = &cli_commands[i];
    }
    return best;
}

bool cli_is_prefix(const char *word)
{
    for (size_t i = 0; i < cli_n_commands; i++)
        if (strchr(cli_commands[i].name, ' ') && begins_with_word(cli_commands[i].name, word))
            return true;
    return false;
}

static enum rc unknown_command(struct cli *cli, int n_words, char *const words[], struct err *err)
{
    const char *second = n_words > 1 && words[1][0] != '-' ? words[1] : "";
    bool is_prefix = cli_is_prefix(words[0]);
    const char *best = NULL;
    size_t best_distance = DISTANCE_MAX + 1;
    char typed[2 * WORD_MAX + 2];

    if (is_prefix && second[0] == '\0')
        return cli_usage(cli, err, "'%s' needs one more word: shoal %s --help", words[0], words[0]);

    snprintf(typed, sizeof(typed), "%s %s", words[0], second);
    for (size_t i = 0; i < cli_n_commands; i++) {
        bool is_pair = strchr(cli_commands[i].name, ' ') != NULL;
        size_t d =
            distance(is_pair ? str_of(typed) : str_of(words[0]), str_of(cli_commands[i].name));

        if (d < best_distance) {
            best_distance = d;
            best = cli_commands[i].name;
        }
    }
    if (best)
        cli_hint(cli, RC_OK, "did you mean: shoal %s", best);
    else
        cli_hint(cli, RC_OK, "shoal %s%s--help lists the commands", is_prefix ? words[0] : "",
                 is_prefix ? " " : "");
    return cli_usage(cli, err, "unknown command '%s'", is_prefix ? typed : words[0]);
}

static enum rc unknown_option(struct cli *cli, struct str name, struct err *err)
{
    struct guess g = { .typed = name };

    for (size_t i = 0; cli->command->options[i].name; i++)
        guess_offer(&g, cli->command->options[i].name);
    for (size_t i = 0; config_flag_name(i); i++)
        guess_offer(&g, config_flag_name(i));
    if (g.best)
        cli_hint(cli, RC_OK, "did you mean: --%s", g.best);
    else
        cli_hint(cli, RC_OK, "shoal %s --help lists the options", cli->command->name);
    return cli_usage(cli, err, "unknown option '--%.*s'", STR_ARG(name));
}

/* One "--name", "--name=value" or "--name value"; *at moves to the last word used. */
static enum rc parse_option(struct cli *cli, int argc, char *const argv[], int *at, struct err *err)
{
    const char *text = argv[*at] + 2;
    const char *equals = strchr(text, '=');
    struct str name = { text, equals ? (size_t)(equals - text) : strlen(text) };
    const char *value = equals ? equals + 1 : NULL;
    const struct command_option *options = cli->command->options;
    size_t index = 0;
    int row;

    while (options[index].name && !str_is(name, options[index].name))
        index++;
    row = options[index].name ? -1 : config_find(name);
    if (!options[index].name && row < 0)
        return unknown_option(cli, name, err);

    bool takes_value = row >= 0 ? config_takes_value(row) : options[index].value_name != NULL;
    if (takes_value && !value) {
        if (*at + 1 >= argc)
            return cli_usage(cli, err, "--%.*s needs a value", STR_ARG(name));
        value = argv[++*at];
    } else if (!takes_value && value) {
        return cli_usage(cli, err, "--%.*s takes no value", STR_ARG(name));
    }

    if (row >= 0) {
        enum rc rc = config_set(&cli->config, row, value, &cli->arena, err);

        cli->is_usage = rc == RC_INVALID;
        return rc;
    }
    cli->values[index] = value ? value : "";
    return RC_OK;
}

enum rc cli_parse(struct cli *cli, int argc, char *const argv[], bool *ret_wants_help,
                  struct err *err)
{
    size_t n_words = find_command(argc - 1, argv + 1, &cli->command);
    bool only_arguments = false;
    bool wants_help = false;

    if (n_words == 0)
        return unknown_command(cli, argc - 1, argv + 1, err);

    for (int i = 1 + (int)n_words; i < argc; i++) {
        if (!only_arguments && strcmp(argv[i], "--") == 0) {
            only_arguments = true;
        } else if (!only_arguments &&
                   (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            wants_help = true;
        } else if (!only_arguments && strncmp(argv[i], "--", 2) == 0) {
            enum rc rc = parse_option(cli, argc, argv, &i, err);
            if (rc)
                return rc;
        } else if (cli->n_arguments == CLI_ARGUMENTS_MAX) {
            return cli_usage(cli, err, "more than %d arguments", CLI_ARGUMENTS_MAX);
        } else {
            cli->arguments[cli->n_arguments++] = argv[i];
        }
    }

    *ret_wants_help = wants_help;
    if (wants_help)
        return RC_OK;
    if (cli->n_arguments < cli->command->n_min || cli->n_arguments > cli->command->n_max) {
        cli_hint(cli, RC_OK, "usage: shoal %s %s", cli->command->name, cli->command->arguments);
        return cli_usage(cli, err, "%s: %s", cli->command->name,
                         cli->n_arguments < cli->command->n_min ? "an argument is missing"
                                                                : "too many arguments");
    }
    return RC_OK;
}

void cli_append_overview(struct buf *out, const char *prefix)
{
    const char *group = "";

    if (!prefix)
        buf_append_text(out, "Shoal builds, serves and connects a team's small language models.\n\n"
                             "usage: shoal COMMAND [ARGUMENTS] [OPTIONS]\n");
    for (size_t i = 0; i < cli_n_commands; i++) {
        const struct command *c = &cli_commands[i];

        if (prefix && !begins_with_word(c->name, prefix))
            continue;
        if (strcmp(group, c->group) != 0)
            buf_printf(out, "\n%s\n", c->group);
        group = c->group;
        buf_printf(out, "  %-17s %s\n", c->name, c->summary);
    }
    buf_append_text(out, "\nshoal COMMAND --help shows its options and an example.\n");
}

void cli_append_help(const struct command *command, struct buf *out)
{
    buf_printf(out, "%s\n\nusage: shoal %s%s%s [OPTIONS]\n", command->summary, command->name,
               command->arguments[0] ? " " : "", command->arguments);
    if (command->details)
        buf_printf(out, "\n%s\n", command->details);
    if (command->options[0].name)
        buf_append_text(out, "\noptions\n");
    for (size_t i = 0; command->options[i].name; i++) {
        const struct command_option *o = &command->options[i];
        char flag[96];

        snprintf(flag, sizeof(flag), "--%s%s%s", o->name, o->value_name ? "=" : "",
                 o->value_name ? o->value_name : "");
        buf_printf(out, "  %-26s %s\n", flag, o->help);
    }
    buf_append_text(out, "\nsettings, for every command\n");
    config_append_flags(out);
    buf_printf(out, "\nexample\n  %s\n", command->example);
}

enum rc cli_print(const struct buf *out, struct err *err)
{
    enum rc rc = buf_rc(out, "output", err);

    if (rc)
        return rc;
    if (out->len > 0 && fwrite(out->at, 1, out->len, stdout) != out->len)
        return err_set(err, RC_IO, "cannot write to standard output");
    if (out->len > 0 && out->at[out->len - 1] != '\n')
        putchar('\n');
    return RC_OK;
}

enum rc cli_workspace(struct cli *cli, const char **ret_folder, struct err *err)
{
    if (!cli->config.workspace) {
        cli_hint(cli, RC_OK, "go to the folder that has shoal.yaml, or give --workspace=FOLDER");
        return err_set(err, RC_NOT_FOUND, "no shoal.yaml in this folder or above it");
    }
    *ret_folder = cli->config.workspace;
    return RC_OK;
}
