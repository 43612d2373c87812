/*
 * commands.c - the one table of commands.
 *
 * To add one: a function in a file cmd_*.c, its name in cmd.h, a row here with an example that
 * works, a story in tests/e2e.
 */
#include "cli/cmd.h"

#define DECIDE  "decide"
#define DEFINE  "define"
#define FACTORY "build"
#define FLOWS   "flows"
#define IMPROVE "improve"
#define KEYS    "keys"
#define MODEL   "look inside a model"
#define MODEL_DETAILS \
    "MODEL is a .safetensors or .gguf file, a folder with one, or the name of a pulled base."
#define SETUP    "set up"
#define VERSIONS "versions"

/* What a command takes behind its name: as help shows it, at least, at most. */
#define ARGUMENTS(text, least, most) .arguments = text, .n_min = least, .n_max = most

#define OPTION_ALIAS                                     \
    {                                                    \
        "alias", "NAME", "another alias than production" \
    }
#define OPTION_WHY                                       \
    {                                                    \
        "why", "TEXT", "the reason, kept in the history" \
    }

const struct command cli_commands[] = {
    {
        .name = "pull",
        .group = SETUP,
        ARGUMENTS("NAME | file:PATH | https://...", 1, 1),
        .summary = "get a base: the pre-trained model that SLMs are specialised from",
        .details =
            "NAME is one of the catalogue, share/bases.yaml. file: and https: name a folder with\n"
            "config.json, vocab.txt and model.safetensors. What has another SHA-256 than the\n"
            "catalogue says is refused and nothing is kept. A broken download goes on where it\n"
            "stopped.",
        .example = "shoal pull all-minilm-l6-v2",
        .run = cmd_pull,
        .options = { { "print-path", NULL, "print only the folder of the base" },
                     { "name", "NAME", "of a base from file: or https:, else the folder's" },
                     { "licence", "TEXT", "of a base that is not in the catalogue" } },
    },
    {
        .name = "config",
        .group = SETUP,
        ARGUMENTS("", 0, 0),
        .summary = "show every setting, its value and where it came from",
        .example = "SHOAL_CPU=scalar shoal config",
        .run = cmd_config,
        .options = { { "markdown", NULL, "the table of settings, as in docs/operations.md" } },
    },
    {
        .name = "new workspace",
        .group = DEFINE,
        ARGUMENTS("NAME", 1, 1),
        .summary = "make a folder with a shoal.yaml to begin with",
        .example = "shoal new workspace acme",
        .run = cmd_new_workspace,
    },
    {
        .name = "new team",
        .group = DEFINE,
        ARGUMENTS("NAME", 1, 1),
        .summary = "add a team to shoal.yaml",
        .example = "shoal new team support",
        .run = cmd_new_team,
    },
    {
        .name = "new slm",
        .group = DEFINE,
        ARGUMENTS("TEAM/SLM", 1, 1),
        .summary = "make a commented slm.yaml with a few rows to begin with",
        .example = "shoal new slm support/inbox",
        .run = cmd_new_slm,
    },
    {
        .name = "check",
        .group = DEFINE,
        ARGUMENTS("[SPEC]", 0, 1),
        .summary = "find everything that is wrong with a spec, a flow, or the whole workspace",
        .details =
            "SPEC is a slm.yaml or flow.yaml, its folder, or TEAM/SLM. Exit status 1: there are "
            "errors.",
        .example = "shoal check support/ticket-triage --render",
        .run = cmd_check,
        .options = { { "render", NULL, "show the spec with every default written out" } },
    },
    {
        .name = "build",
        .group = FACTORY,
        ARGUMENTS("TEAM/SLM", 1, 1),
        .summary = "make a version: data, training, evaluation, gates, registration",
        .details =
            "Killed at any point it goes on where it was when it is started again. What misses "
            "a gate is\nregistered as rejected, with the reasons.",
        .example = "shoal build support/ticket-triage",
        .run = cmd_build,
    },
    {
        .name = "list",
        .group = VERSIONS,
        ARGUMENTS("[TEAM/SLM]", 0, 1),
        .summary = "the versions of one SLM, or of all, and what is in production",
        .example = "shoal list",
        .run = cmd_list,
    },
    {
        .name = "show",
        .group = VERSIONS,
        ARGUMENTS("TEAM/SLM [VERSION] | DECISION", 1, 2),
        .summary = "what a version is made of and how it was judged, or one decision",
        .details = "VERSION is @3, an alias or the beginning of a digest; without it what is in "
                   "production,\nelse the newest. A DECISION is named dec_...",
        .example = "shoal show support/ticket-triage @2",
        .run = cmd_show,
    },
    {
        .name = "promote",
        .group = VERSIONS,
        ARGUMENTS("TEAM/SLM VERSION", 2, 2),
        .summary = "give a version the alias production (or another one)",
        .example = "shoal promote support/ticket-triage @2 --why='better on refunds'",
        .run = cmd_promote,
        .options = { OPTION_ALIAS, OPTION_WHY },
    },
    {
        .name = "rollback",
        .group = VERSIONS,
        ARGUMENTS("TEAM/SLM", 1, 1),
        .summary = "point production (or another alias) back to the version before",
        .example = "shoal rollback support/ticket-triage --why='wrong on refunds'",
        .run = cmd_rollback,
        .options = { OPTION_ALIAS, OPTION_WHY },
    },
    {
        .name = "history",
        .group = VERSIONS,
        ARGUMENTS("TEAM/SLM", 1, 1),
        .summary = "who moved an alias, when, from what to what and why",
        .example = "shoal history support/ticket-triage",
        .run = cmd_history,
        .options = { OPTION_ALIAS },
    },
    {
        .name = "export",
        .group = VERSIONS,
        ARGUMENTS("TEAM/SLM FILE", 2, 2),
        .summary = "a version with its spec, rows, weights, tables and report, in one file",
        .details = "FILE is a tar archive. The base is named in it, not included.",
        .example = "shoal export support/reply-draft reply-draft.shoal",
        .run = cmd_export,
        .options = { { "version", "VERSION",
                       "another one than production: @3, an alias, a digest" } },
    },
    {
        .name = "import",
        .group = VERSIONS,
        ARGUMENTS("FILE", 1, 1),
        .summary = "register a version out of such a file, after judging it again",
        .details = "Every digest is checked, its test rows are decided again, and its gates held "
                   "against them.\nExit status 1: it missed a gate, and is registered as rejected.",
        .example = "shoal import reply-draft.shoal --team=support",
        .run = cmd_import,
        .options = { { "team", "TEAM", "whose it becomes, else the team of the same name" } },
    },
    {
        .name = "serve",
        .group = DECIDE,
        ARGUMENTS("", 0, 0),
        .summary = "answer a team's requests over HTTP until SIGTERM",
        .example = "shoal serve --team=support --port=8080",
        .run = cmd_serve,
        .options = { { "team", "TEAM", "whose SLMs" },
                     { "host", "ADDRESS", "to listen on, else 127.0.0.1" },
                     { "port", "N", "to listen on, else 8080; 0: a free one" },
                     { "fence", NULL, "keep this process to its team's files (Landlock)" } },
    },
    {
        .name = "up",
        .group = DECIDE,
        ARGUMENTS("", 0, 0),
        .summary = "run every team's service and the coordinator, supervised and kept apart",
        .details = "They go on in the background. Waits until all answer and prints where. One "
                   "that ends is\n"
                   "started again. As root each gets a user of its own; Landlock shuts each in "
                   "with its own\n"
                   "files; where neither can be had nothing is started.",
        .example = "shoal up && shoal down",
        .run = cmd_up,
        .options = { { "host", "ADDRESS", "to listen on, else 127.0.0.1" },
                     { "port", "N", "of the first one, else 8101; 0: free ones" },
                     { "boundary", "users|landlock",
                       "how teams are kept apart, else what works" } },
    },
    {
        .name = "down",
        .group = DECIDE,
        ARGUMENTS("", 0, 0),
        .summary = "stop what shoal up runs, and wait until it has stopped",
        .example = "shoal down",
        .run = cmd_down,
    },
    {
        .name = "decide",
        .group = DECIDE,
        ARGUMENTS("TEAM/SLM [ROWS]", 1, 2),
        .summary = "answer a file of cases, or one from standard input, without a service",
        .details = "ROWS is JSON lines or .csv; the answers are JSON lines in the same order. One "
                   "case is a JSON\nobject. Nothing is stored. Exit status 1: a case was refused.",
        .example = "shoal decide support/ticket-triage tickets.csv > answers.jsonl",
        .run = cmd_decide,
        .options = { { "version", "VERSION",
                       "another one than production: @3, an alias, a digest" } },
    },
    {
        .name = "replay",
        .group = DECIDE,
        ARGUMENTS("DECISION", 1, 1),
        .summary = "decide a past case again and compare the bytes",
        .details = "Exit status 1: they differ, and the difference is shown.",
        .example = "shoal replay dec_01JD0A1B2C3D4E5F6G7H8J9K0M --cpu=scalar",
        .run = cmd_replay,
    },
    {
        .name = "coordinate",
        .group = FLOWS,
        ARGUMENTS("", 0, 0),
        .summary = "carry out runs of the workspace's flows until SIGTERM",
        .example = "shoal coordinate --port=8090",
        .run = cmd_coordinate,
        .options = { { "host", "ADDRESS", "to listen on, else 127.0.0.1" },
                     { "port", "N", "to listen on, else 8090; 0: a free one" },
                     { "fence", NULL,
                       "keep this process to its own files, flows and specs (Landlock)" } },
    },
    {
        .name = "flow run",
        .group = FLOWS,
        ARGUMENTS("FLOW [INPUT]", 1, 2),
        .summary = "start a run and wait for its end",
        .details =
            "INPUT is a JSON object, else standard input is read. Exit status 1: the run did not "
            "succeed.",
        .example = "shoal flow run billing-dispute < complaint.json",
        .run = cmd_flow_run,
        .options = { { "detach", NULL, "do not wait, print only the run's id" },
                     { "idempotency-key", "TEXT", "the same one is the same run" } },
    },
    {
        .name = "flow list",
        .group = FLOWS,
        ARGUMENTS("[FLOW]", 0, 1),
        .summary = "the newest runs, or those that are overdue",
        .example = "shoal flow list --overdue",
        .run = cmd_flow_list,
        .options = { { "status", "STATUS", "running, succeeded, failed, stopped or cancelled" },
                     { "overdue", NULL, "only runs that should have ended" } },
    },
    {
        .name = "flow show",
        .group = FLOWS,
        ARGUMENTS("RUN", 1, 1),
        .summary = "the trace of a run as a tree",
        .details = "Inputs and outputs come from the teams whose decisions they are, as far as you "
                   "may see them.",
        .example = "shoal flow show run_0199c0de0000123456789abcdef",
        .run = cmd_flow_show,
    },
    {
        .name = "flow cancel",
        .group = FLOWS,
        ARGUMENTS("RUN", 1, 1),
        .summary = "end a run where it is",
        .example = "shoal flow cancel run_0199c0de0000123456789abcdef",
        .run = cmd_flow_cancel,
    },
    {
        .name = "feedback add",
        .group = IMPROVE,
        ARGUMENTS("DECISION", 1, 1),
        .summary = "say what the answer should have been, or whether it was right",
        .example = "shoal feedback add dec_01JD0A1B2C3D4E5F6G7H8J9K0M "
                   "--output='{\"issue_type\":\"refund\",\"priority\":\"high\"}'",
        .run = cmd_feedback_add,
        .options = { { "output", "JSON", "the true output" },
                     { "right", NULL, "the decision's output was right" },
                     { "wrong", NULL, "it was wrong" },
                     { "comment", "TEXT", "for the people who read it later" } },
    },
    {
        .name = "feedback export",
        .group = IMPROVE,
        ARGUMENTS("TEAM/SLM FILE", 2, 2),
        .summary = "write what people said as dataset rows, JSON lines",
        .example = "shoal feedback export support/ticket-triage feedback.jsonl",
        .run = cmd_feedback_export,
    },
    {
        .name = "key create",
        .group = KEYS,
        ARGUMENTS("NAME", 1, 1),
        .summary = "make a key for a person or a program",
        .example = "shoal key create webshop --team=support --scopes=decide",
        .run = cmd_key_create,
        .options = { { "team", "TEAM", "whose service the key is for" },
                     { "scopes", "LIST", "decide,feedback,read,admin,flow; else the first three" },
                     { "days", "N", "until it expires; else never" } },
    },
    {
        .name = "key list",
        .group = KEYS,
        ARGUMENTS("", 0, 0),
        .summary = "the keys of a team, without their secrets",
        .example = "shoal key list --team=support",
        .run = cmd_key_list,
        .options = { { "team", "TEAM", "whose" } },
    },
    {
        .name = "key revoke",
        .group = KEYS,
        ARGUMENTS("KEY_ID", 1, 1),
        .summary = "refuse a key from now on",
        .example = "shoal key revoke 0a1B2c3D4e5F --team=support",
        .run = cmd_key_revoke,
        .options = { { "team", "TEAM", "whose" } },
    },
    {
        .name = "model show",
        .group = MODEL,
        ARGUMENTS("MODEL", 1, 1),
        .summary = "shape, metadata and tensors of a model",
        .details = MODEL_DETAILS,
        .example = "shoal model show all-minilm-l6-v2",
        .run = cmd_model_show,
    },
    {
        .name = "model tokenize",
        .group = MODEL,
        ARGUMENTS("MODEL [TEXT]", 1, 2),
        .summary = "the tokens a model sees of a text (an argument, else standard input)",
        .details = MODEL_DETAILS,
        .example = "shoal model tokenize all-minilm-l6-v2 'Refund my order #4711'",
        .run = cmd_model_tokenize,
    },
    {
        .name = "model embed",
        .group = MODEL,
        ARGUMENTS("MODEL [TEXT]", 1, 2),
        .summary = "the vector a base gives for a text, as JSON",
        .details = MODEL_DETAILS,
        .example = "shoal model embed all-minilm-l6-v2 'Where is my parcel?' --cpu=scalar",
        .run = cmd_model_embed,
        .options = { { "f32", NULL, "compute in f32 instead of int8, which serves" } },
    },
    {
        .name = "model logits",
        .group = MODEL,
        ARGUMENTS("ADAPTER | MODEL [TEXT]", 1, 2),
        .summary = "what an adapter or a decoder thinks of a text",
        .details = "ADAPTER is a file that shoal build made: log-probability and probability of\n"
                   "each label. The text is what the model reads: \"name: value\" lines. No rule,\n"
                   "calibration or threshold has a say here. MODEL is a decoder: logit and\n"
                   "probability of the 20 most probable next tokens.",
        .example = "shoal model logits adapter.safetensors 'body: where is it?' "
                   "--base=all-minilm-l6-v2",
        .run = cmd_model_logits,
        .options = { { "base", "NAME", "the pulled base it stands on; a linear one has none" },
                     { "f32", NULL, "of a decoder: f32 instead of int8, which serves" } },
    },
    {
        .name = "model generate",
        .group = MODEL,
        ARGUMENTS("MODEL [TEXT]", 1, 2),
        .summary = "go on with a text (an argument, else standard input), or answer it",
        .details =
            "MODEL is a decoder: a .gguf file, a folder with model.gguf, or the name of a\n"
            "pulled base. The same text, options and seed give the same tokens on every CPU.",
        .example = "shoal model generate smollm2-135m-instruct 'What is an invoice?' --chat",
        .run = cmd_model_generate,
        .options = { { "chat", NULL, "the text is what a user says: the model answers" },
                     { "system", "TEXT", "with --chat: what the model is told first" },
                     { "tokens", "N", "to write at most; 64 unless given" },
                     { "temperature", "T", "0, the default: always the most probable token" },
                     { "seed", "N", "of the draws; 0 unless given" },
                     { "f32", NULL, "compute in f32 instead of int8, which serves" } },
    },
};

const size_t cli_n_commands = ARRAY_LEN(cli_commands);
