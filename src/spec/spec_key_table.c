/* The keys of slm.yaml and shoal.yaml, and their JSON Schema. */
#include "spec/spec_keys_internal.h"
#include "spec/workspace.h"

#include <stddef.h>

static const char *const format_words[] = { "auto", "jsonl", "csv", NULL };
static const char *const split_words[] = { "none", "train", "validation", "test", NULL };
static const char *const candidate_words[] = { "linear",   "frozen", "finetuned", "blend",
                                               "prompted", "lora",   NULL };
static const char *const method_words[] = { "lora", "full", NULL };
static const char *const precision_words[] = { "f32", "bf16", NULL };
static const char *const metric_words[] = {
    "accuracy",        "balanced_accuracy", "macro_f1",  "set_f1",        "ece",
    "rule_violations", "coverage",          "precision", "first_attempt", NULL
};
static const char *const floor_words[] = {
    "none", "majority", "rules", "linear", "prompted", NULL
};

#define SECTION(text, type, place, table)                                                       \
    {                                                                                           \
        .what = (text), .bytes = sizeof(type), .place_at = (place), .n_keys = ARRAY_LEN(table), \
        .keys = (table)                                                                         \
    }

static const struct spec_key table_keys[] = {
    { "path", KEY_PATH, offsetof(struct spec_table, path), .required = true,
      .help = "file of the table, from the spec's folder" },
    { "format", KEY_WORD, offsetof(struct spec_table, format), .words = format_words,
      .fallback = "\"auto\"", .help = "auto: by the ending of the path" },
    { "key", KEY_NAME, offsetof(struct spec_table, key),
      .help = "string or number column whose values are unique" },
    { "columns", KEY_PAIRS, offsetof(struct spec_table, columns) - sizeof(size_t), .required = true,
      .item_bytes = sizeof(struct spec_column),
      .help = "the columns used, each with its type: string, number, boolean, date, date-time" },
};
static const struct spec_section table_section =
    SECTION("a table", struct spec_table, 0, table_keys);

static const struct spec_key rule_keys[] = {
    { "name", KEY_NAME, offsetof(struct spec_rule, name), .required = true,
      .help = "what answers and reports call the rule" },
    { "must", KEY_EXPRESSION, offsetof(struct spec_rule, must),
      .help = "FEEL: what always holds; no answer breaks it" },
    { "should", KEY_EXPRESSION, offsetof(struct spec_rule, should),
      .help = "FEEL: what is expected; reported when it does not hold" },
    { "when", KEY_EXPRESSION, offsetof(struct spec_rule, when),
      .help = "FEEL: the rule applies only where this is true" },
    { "text", KEY_TEXT, offsetof(struct spec_rule, text), .required = true,
      .help = "the rule in words, for those who get the answer" },
};
static const struct spec_section rule_section = SECTION("a rule", struct spec_rule, 0, rule_keys);

static const struct spec_key data_keys[] = {
    { "path", KEY_PATH, offsetof(struct spec_data, path), .required = true,
      .help = "file of rows, from the spec's folder" },
    { "format", KEY_WORD, offsetof(struct spec_data, format), .words = format_words,
      .fallback = "\"auto\"", .help = "auto: by the ending of the path" },
    { "split", KEY_WORD, offsetof(struct spec_data, split), .words = split_words,
      .fallback = "\"none\"",
      .help = "where all rows of this file belong; none: the factory splits" },
    { "group", KEY_TEXT, offsetof(struct spec_data, group),
      .help = "column: rows that are equal in it stay in one split" },
    { "id", KEY_TEXT, offsetof(struct spec_data, id), .fallback = "\"id\"",
      .help = "column of the row's id" },
    { "drop_shared_ngrams", KEY_INTEGER, offsetof(struct spec_data, drop_shared_ngrams),
      .fallback = "0", .min = 0, .max = 100,
      .help =
          "leave out training rows that share so many words in a row with a test row; 0: none" },
    { "columns", KEY_PAIRS, offsetof(struct spec_data, columns) - sizeof(size_t),
      .item_bytes = sizeof(struct spec_mapping),
      .help = "column: input.NAME, output.NAME or tags.NAME; without it rows are {id, input, "
              "output, tags}" },
};
static const struct spec_section data_section =
    SECTION("a data source", struct spec_data, 0, data_keys);

static const struct spec_key shares_keys[] = {
    { "validation", KEY_NUMBER, offsetof(struct spec_shares, validation), .fallback = "0.1",
      .min = 0.0, .max = 0.5, .help = "share of the rows that no source pins" },
    { "test", KEY_NUMBER, offsetof(struct spec_shares, test), .fallback = "0.2", .min = 0.0,
      .max = 0.5, .help = "share of the rows that no source pins" },
};
static const struct spec_section shares_section =
    SECTION("split", struct spec_shares, 0, shares_keys);

static const struct spec_key training_keys[] = {
    { "candidates", KEY_WORDS, offsetof(struct spec_training, candidates) - sizeof(size_t),
      .words = candidate_words,
      .help =
          "what is tried; of those that meet the gates on validation the cheapest wins; absent: "
          "all that fit the output" },
    { "method", KEY_WORD, offsetof(struct spec_training, method), .words = method_words,
      .fallback = "\"full\"",
      .help = "what fine-tuning changes: low-rank matrices, or all weights" },
    { "precision", KEY_WORD, offsetof(struct spec_training, precision), .words = precision_words,
      .help = "of the products that train what writes; absent: f32" },
    { "epochs", KEY_INTEGER, offsetof(struct spec_training, epochs), .fallback = "3", .min = 1,
      .max = 100, .help = "at most; training stops early when validation stops improving" },
    { "challenger_epochs", KEY_INTEGER, offsetof(struct spec_training, challenger_epochs),
      .fallback = "2", .min = 1, .max = 100,
      .help = "the same where training starts from production's weights" },
    { "frozen_layers", KEY_INTEGER, offsetof(struct spec_training, frozen_layers), .fallback = "0",
      .min = 0, .max = 47,
      .help = "lower layers that method full leaves as they are, with the embeddings: faster" },
    { "batch", KEY_INTEGER, offsetof(struct spec_training, batch), .fallback = "32", .min = 1,
      .max = 1024, .help = "rows of one step" },
    { "rank", KEY_INTEGER, offsetof(struct spec_training, rank), .fallback = "16", .min = 1,
      .max = 256, .help = "of LoRA's matrices" },
    { "learning_rate", KEY_NUMBER, offsetof(struct spec_training, learning_rate),
      .fallback = "0.0001", .min = 0.0, .max = 1.0,
      .help = "highest; after warm-up it falls to 0" },
    { "head_learning_rate", KEY_NUMBER, offsetof(struct spec_training, head_learning_rate),
      .fallback = "0.0005", .min = 0.0, .max = 1.0, .help = "the same for the decision heads" },
    { "weight_decay", KEY_NUMBER, offsetof(struct spec_training, weight_decay), .fallback = "0.01",
      .min = 0.0, .max = 1.0, .help = "of AdamW" },
    { "warm_up", KEY_NUMBER, offsetof(struct spec_training, warm_up), .fallback = "0.1", .min = 0.0,
      .max = 1.0, .help = "share of the steps in which the rate rises" },
    { "budget_tokens", KEY_INTEGER, offsetof(struct spec_training, budget_tokens),
      .fallback = "3000000", .min = 1000, .max = 1e12,
      .help = "tokens that fine-tuning may read; a budget in tokens can be repeated" },
    { "seed", KEY_INTEGER, offsetof(struct spec_training, seed), .fallback = "1", .min = 0,
      .max = 4294967295.0, .help = "of splits, order and initial weights" },
};
static const struct spec_section training_section =
    SECTION("training", struct spec_training, 0, training_keys);

static const struct spec_key gate_keys[] = {
    { "metric", KEY_WORD, offsetof(struct spec_gate, metric), .words = metric_words,
      .required = true, .help = "what is measured" },
    { "field", KEY_NAME, offsetof(struct spec_gate, field),
      .help = "output field; absent: all fields" },
    { "slice", KEY_NAME, offsetof(struct spec_gate, slice),
      .help = "slice of the rows; absent: all rows" },
    { "min", KEY_NUMBER, offsetof(struct spec_gate, min),
      .has_at = offsetof(struct spec_gate, has_min), .min = 0.0, .max = 1e9,
      .help = "the metric is at least this" },
    { "max", KEY_NUMBER, offsetof(struct spec_gate, max),
      .has_at = offsetof(struct spec_gate, has_max), .min = 0.0, .max = 1e9,
      .help = "the metric is at most this" },
    { "not_worse_margin", KEY_NUMBER, offsetof(struct spec_gate, not_worse_margin),
      .has_at = offsetof(struct spec_gate, has_margin), .min = 0.0, .max = 1.0,
      .help = "at most this much worse than production, paired" },
    { "above", KEY_WORD, offsetof(struct spec_gate, above), .words = floor_words,
      .fallback = "\"none\"", .help = "floor that is beaten with certainty, paired" },
};
static const struct spec_section gate_section =
    SECTION("a gate", struct spec_gate, offsetof(struct spec_gate, place), gate_keys);

static const struct spec_key abstain_keys[] = {
    { "target_precision", KEY_NUMBER, offsetof(struct spec_abstain, target_precision),
      .has_at = offsetof(struct spec_abstain, has_target), .min = 0.0, .max = 1.0,
      .help = "answers are declined below the confidence that reaches this on validation" },
};
static const struct spec_section abstain_section =
    SECTION("abstain", struct spec_abstain, 0, abstain_keys);

static const struct spec_key contract_keys[] = {
    { "flow", KEY_NAME, offsetof(struct spec_contract, flow), .required = true,
      .help = "the flow that this lets in" },
    { "send", KEY_NAMES, offsetof(struct spec_contract, send) - sizeof(size_t), .required = true,
      .help = "input fields the flow may send" },
    { "read", KEY_NAMES, offsetof(struct spec_contract, read) - sizeof(size_t), .required = true,
      .help = "output and derived fields the flow may read" },
};
static const struct spec_section contract_section =
    SECTION("a contract", struct spec_contract, 0, contract_keys);

static const struct spec_key slm_keys[] = {
    { "slm", KEY_NAME, offsetof(struct spec, name), .required = true,
      .help = "name of the SLM, as its folder" },
    { "description", KEY_TEXT, offsetof(struct spec, description),
      .help = "what it decides, for people" },
    { "base", KEY_NAME, offsetof(struct spec, base), .fallback = "\"all-minilm-l6-v2\"",
      .help = "pre-trained model" },
    { "input", KEY_SCHEMA, offsetof(struct spec, input), .required = true,
      .help = "an object: the typed input" },
    { "output", KEY_SCHEMA, offsetof(struct spec, output), .required = true,
      .help =
          "an object: what the SLM decides, fields that are chosen or fields that are written" },
    { "tables", KEY_NAMED, offsetof(struct spec, tables) - sizeof(size_t),
      .section = &table_section, .fallback = "{}", .help = "reference tables for facts" },
    { "facts", KEY_PAIRS, offsetof(struct spec, facts) - sizeof(size_t), .fallback = "{}",
      .item_bytes = sizeof(struct spec_fact), .help = "name: FEEL over input and tables" },
    { "rules", KEY_SECTIONS, offsetof(struct spec, rules) - sizeof(size_t),
      .section = &rule_section, .fallback = "[]", .help = "what must, or should, hold" },
    { "derived", KEY_PAIRS, offsetof(struct spec, derived) - sizeof(size_t), .fallback = "{}",
      .item_bytes = sizeof(struct spec_derived),
      .help = "name: FEEL over input and output; now() is the recorded time" },
    { "show", KEY_NAMES, offsetof(struct spec, shown) - sizeof(size_t),
      .help = "input fields and facts the model reads; absent: all input fields" },
    { "data", KEY_SECTIONS, offsetof(struct spec, data) - sizeof(size_t), .section = &data_section,
      .required = true, .help = "files of rows to learn from" },
    { "split", KEY_SECTION, offsetof(struct spec, split), .section = &shares_section,
      .fallback = "{}", .help = "of rows that no source pins" },
    { "training", KEY_SECTION, offsetof(struct spec, training), .section = &training_section,
      .fallback = "{}", .help = "how candidates are made" },
    { "gates", KEY_SECTIONS, offsetof(struct spec, gates) - sizeof(size_t),
      .section = &gate_section, .fallback = "[]", .help = "what a version must reach" },
    { "slices", KEY_PAIRS, offsetof(struct spec, slices) - sizeof(size_t), .fallback = "{}",
      .item_bytes = sizeof(struct spec_slice),
      .help = "name: FEEL over a row's input, output and tags; rows reported and gated apart" },
    { "abstain", KEY_SECTION, offsetof(struct spec, abstain), .section = &abstain_section,
      .fallback = "{}", .help = "when no answer is better" },
    { "contracts", KEY_SECTIONS, offsetof(struct spec, contracts) - sizeof(size_t),
      .section = &contract_section, .fallback = "[]",
      .help = "what flows may send and read; without one no flow may call the SLM" },
};
const struct spec_section spec_slm_section = SECTION("the spec", struct spec, 0, slm_keys);

static const struct spec_key team_keys[] = {
    { "description", KEY_TEXT, offsetof(struct spec_team, description),
      .help = "what the team does" },
};
static const struct spec_section team_section = SECTION("a team", struct spec_team, 0, team_keys);

static const struct spec_key workspace_keys[] = {
    { "organisation", KEY_TEXT, offsetof(struct spec_workspace, organisation), .required = true,
      .help = "name of the organisation" },
    { "teams", KEY_NAMED, offsetof(struct spec_workspace, teams) - sizeof(size_t),
      .section = &team_section, .required = true, .help = "the teams, each with its folder" },
};
const struct spec_section spec_workspace_section =
    SECTION("the workspace", struct spec_workspace, 0, workspace_keys);
