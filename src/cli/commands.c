/*
 * commands.c - the one table of commands.
 *
 * To add one: a function in a file cmd_*.c, its name in cmd.h, a row here with an example that
 * works, a story in tests/e2e.
 */
#include "cli/cmd.h"

#define DEFINE "define"
#define MODEL  "look inside a model"
#define MODEL_DETAILS \
    "MODEL is a .safetensors file, a folder with model.safetensors, or the name of a pulled base."
#define SETUP "set up"

const struct command cli_commands[] = {
    {
        .name = "pull",
        .group = SETUP,
        .arguments = "NAME | file:PATH | https://...",
        .n_min = 1,
        .n_max = 1,
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
        .arguments = "",
        .summary = "show every setting, its value and where it came from",
        .example = "SHOAL_CPU=scalar shoal config",
        .run = cmd_config,
        .options = { { "markdown", NULL, "the table of settings, as in docs/operations.md" } },
    },
    {
        .name = "check",
        .group = DEFINE,
        .arguments = "[SPEC]",
        .n_max = 1,
        .summary = "find everything that is wrong with a spec, or with all specs of the workspace",
        .details = "SPEC is a slm.yaml, its folder, or TEAM/SLM. Exit status 1: there are errors.",
        .example = "shoal check support/ticket-triage --render",
        .run = cmd_check,
        .options = { { "render", NULL, "show the spec with every default written out" } },
    },
    {
        .name = "model show",
        .group = MODEL,
        .arguments = "MODEL",
        .n_min = 1,
        .n_max = 1,
        .summary = "shape, metadata and tensors of a model",
        .details = MODEL_DETAILS,
        .example = "shoal model show all-minilm-l6-v2",
        .run = cmd_model_show,
    },
    {
        .name = "model tokenize",
        .group = MODEL,
        .arguments = "MODEL [TEXT]",
        .n_min = 1,
        .n_max = 2,
        .summary = "the tokens a model sees of a text (an argument, else standard input)",
        .details = MODEL_DETAILS,
        .example = "shoal model tokenize all-minilm-l6-v2 'Refund my order #4711'",
        .run = cmd_model_tokenize,
    },
    {
        .name = "model embed",
        .group = MODEL,
        .arguments = "MODEL [TEXT]",
        .n_min = 1,
        .n_max = 2,
        .summary = "the vector a base gives for a text, as JSON",
        .details = MODEL_DETAILS,
        .example = "shoal model embed all-minilm-l6-v2 'Where is my parcel?' --cpu=scalar",
        .run = cmd_model_embed,
        .options = { { "f32", NULL, "compute in f32 instead of int8, which serves" } },
    },
};

const size_t cli_n_commands = ARRAY_LEN(cli_commands);
