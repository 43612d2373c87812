/*
 * spec.h - slm.yaml: the definition of one SLM. docs/spec.md describes every key for those who
 * write it; share/schema/slm.schema.json is the same for editors.
 *
 *   text --spec_read--> struct spec + all problems
 *                          |--spec_append_shown--> what the model reads of one input
 *                          |--spec_render-------> the spec with every default
 *                          |--spec_digests------> is this the same spec; may the weights be kept
 *
 * What expressions see: facts the input fields, the tables and the facts above them; rules that and
 * the output fields; derived fields that and the derived fields above them. All of these share one
 * space of plain names, in which no name appears twice. now() and today() are the decision's
 * recorded time.
 */
#ifndef SPEC_SPEC_H
#define SPEC_SPEC_H

#include "base/crypto.h"
#include "expr/feel.h"
#include "spec/problem.h"
#include "spec/schema.h"

enum {
    SPEC_BYTES_MAX = 256 << 10,
    SPEC_JOINT_MAX = 65536, /* combinations of values over all output fields */
    SPEC_MEMBERS_MAX = 16,  /* of a set: it has 2^members values, see SPEC_JOINT_MAX */
    SPEC_NAME_MAX = 64,     /* bytes of a name */
    SPEC_FIELDS_MAX = 64,   /* output fields */
    SPEC_LIST_MAX = 1000,   /* facts, rules, tables, columns, ...: of each */
};

/* A text of the file with its place; empty with line 0 when absent. */
struct spec_text {
    struct str text;
    uint32_t line, column;
};

/* Lists are always a count directly followed by the array: the reader's table relies on it. */

struct spec_fact {
    struct spec_text name, expression;
    const struct feel *feel;
    struct feel_type type;
    bool shown;     /* the model sees it */
    size_t n_reads; /* names of inputs, tables and facts it reads */
    const struct str *reads;
};

enum spec_rule_kind { SPEC_MUST, SPEC_SHOULD };

struct spec_rule {
    struct spec_text name, text, must, should, when; /* one of must and should */
    enum spec_rule_kind kind;
    const struct feel *feel;      /* of must or should */
    const struct feel *condition; /* of when; NULL: the rule always applies */
};

struct spec_derived {
    struct spec_text name, expression;
    const struct feel *feel;
    struct feel_type type;
};

enum spec_format { SPEC_FORMAT_AUTO, SPEC_JSONL, SPEC_CSV }; /* auto: by the path; resolved */

struct spec_column {
    struct spec_text name, type; /* type: string, number, boolean, date, date-time */
};

struct spec_table {
    struct spec_text name, path, key; /* key: a string or number column, unique; may be empty */
    enum spec_format format;
    size_t n_columns;
    struct spec_column *columns;
};

enum spec_split { SPEC_SPLIT_NONE, SPEC_SPLIT_TRAIN, SPEC_SPLIT_VALIDATION, SPEC_SPLIT_TEST };

struct spec_mapping {
    struct spec_text column, path; /* path: "input.subject", "output.priority", "tags.origin" */
};

struct spec_data {
    struct spec_text path;
    enum spec_format format;
    enum spec_split split;      /* SPEC_SPLIT_NONE: the factory splits */
    struct spec_text group;     /* rows equal in this column stay in one split; may be empty */
    struct spec_text id;        /* the column of the row's id: "id" */
    int64_t drop_shared_ngrams; /* training rows that share so many words in a row with a test row
                                   are left out; 0: they stay */
    size_t n_columns; /* 0: rows are {"id", "input": {...}, "output": {...}, "tags": {...}} */
    struct spec_mapping *columns;
};

/* Shares of the rows that no source pins. */
struct spec_shares {
    double validation, test;
};

enum spec_candidate {
    SPEC_LINEAR,    /* hashed words and characters */
    SPEC_FROZEN,    /* heads on the frozen base */
    SPEC_FINETUNED, /* heads and base */
    SPEC_BLEND,     /* weighted geometric mean of the linear one and the better encoder */
    SPEC_PROMPTED,  /* of an output that is written: the base as it is, told what to do */
    SPEC_LORA,      /* likewise: the base with low-rank matrices */
};

enum spec_method { SPEC_METHOD_LORA, SPEC_METHOD_FULL };
enum spec_precision { SPEC_F32, SPEC_BF16 };

struct spec_training {
    size_t n_candidates;
    enum spec_candidate *candidates;   /* all that fit the output when the spec names none */
    enum spec_method method;           /* of the fine-tuned candidate */
    enum spec_precision precision;     /* of the products that train the one that writes */
    int64_t epochs, challenger_epochs; /* from the base; from production's weights */
    int64_t frozen_layers;             /* lower ones that fine-tuning leaves as they are */
    int64_t batch, rank;               /* rank: of LoRA, whose alpha is twice that */
    double learning_rate, head_learning_rate, weight_decay, warm_up; /* warm_up: share of steps */
    int64_t budget_tokens; /* of the fine-tuned candidate, and of the one that writes */
    int64_t seed;
};

enum spec_metric {
    SPEC_ACCURACY,
    SPEC_BALANCED_ACCURACY, /* mean recall of the labels; not of sets */
    SPEC_MACRO_F1,
    SPEC_SET_F1,          /* mean over rows of the F1 of answered against true members; of sets */
    SPEC_ECE,             /* expected calibration error; smaller is better */
    SPEC_RULE_VIOLATIONS, /* answers against a must-rule, a count; smaller is better */
    SPEC_COVERAGE,        /* share of inputs that are answered */
    SPEC_PRECISION,       /* of the inputs that are answered */
    SPEC_FIRST_ATTEMPT, /* share of inputs whose first attempt is the answer; of what is written */
};

enum spec_floor {
    SPEC_FLOOR_NONE,
    SPEC_FLOOR_MAJORITY,
    SPEC_FLOOR_RULES,
    SPEC_FLOOR_LINEAR,
    SPEC_FLOOR_PROMPTED, /* of what is written, the only one */
};

/* At least one of the four conditions is set. */
struct spec_gate {
    enum spec_metric metric;
    struct spec_text field; /* an output field; empty: all fields */
    struct spec_text slice; /* of the rows; empty: all rows */
    struct spec_text place; /* of the gate itself, for messages */
    bool has_min, has_max, has_margin;
    double min, max;
    double not_worse_margin; /* at most this much worse than production, paired lower bound */
    enum spec_floor above;   /* the paired lower bound of the gain over this floor is above 0 */
};

/* A part of the rows that is reported and gated apart: those for which the expression is true. It
 * sees the row's `input`, its true `output`, and its `tags`: what the data says about the row
 * besides. */
struct spec_slice {
    struct spec_text name, expression;
    const struct feel *feel;
};

struct spec_abstain {
    double target_precision; /* answers below the threshold that reaches it are declined */
    bool has_target;
};

/* What one flow may send to this SLM and read of its answers: nothing else crosses to it. */
struct spec_contract {
    struct spec_text flow;
    size_t n_send; /* input fields */
    struct spec_text *send;
    size_t n_read; /* output and derived fields */
    struct spec_text *read;
};

/*
 * One closed output field. The model scores its labels; the answer is one of its values. A field of
 * one label has them as its values: value v is label v. A set has every set of labels, its members:
 * value v is the set with label i exactly if bit i of v is set.
 */
struct spec_field {
    struct str name;
    const struct schema *schema;
    bool is_set;
    size_t n_labels;
    const struct spec_label *labels; /* enumeration in its order; false, true; minimum..maximum */
    size_t n_values;                 /* n_labels; of a set 2^n_labels */
};

enum spec_open_kind {
    SPEC_OPEN_CHOICE, /* an enumeration beside fields that are open */
    SPEC_OPEN_NUMBER, /* that stands in the input */
    SPEC_OPEN_DATE,   /* likewise */
    SPEC_OPEN_SPAN,   /* a piece of the input */
    SPEC_OPEN_TEXT,   /* the last field alone */
};

/* One open output field: it is written. */
struct spec_open {
    struct str name;
    enum spec_open_kind kind;
    bool optional; /* of a number, a date and a span: it may have no value */
    const struct schema *schema;
};

struct spec_label {
    struct str text; /* "billing", "false", "7" */
    struct feel_value value;
};

struct spec {
    const char *file, *dir; /* path of slm.yaml, and its folder: what paths in it start from */
    struct spec_text name, description, base;
    struct schema input, output;
    size_t n_tables;
    struct spec_table *tables;
    size_t n_facts;
    struct spec_fact *facts;
    size_t n_rules;
    struct spec_rule *rules;
    size_t n_derived;
    struct spec_derived *derived;
    size_t n_shown; /* names of input fields and facts; when not given all input fields */
    struct spec_text *shown;
    size_t n_data;
    struct spec_data *data;
    struct spec_shares split;
    struct spec_training training;
    size_t n_gates;
    struct spec_gate *gates;
    size_t n_slices;
    struct spec_slice *slices;
    struct spec_abstain abstain;
    size_t n_contracts;
    struct spec_contract *contracts;

    size_t n_open;   /* output fields that are written and not chosen: all, or none */
    size_t n_valued; /* of them those whose value is true or not: all but a text */
    const struct spec_open *open;
    size_t n_fields; /* of the output, the closed ones, in order */
    const struct spec_field *fields;
    size_t n_joint;            /* product of n_values, at most SPEC_JOINT_MAX */
    const struct json *source; /* the tree of slm.yaml */
};

/**
 * Reads path and finds everything that is wrong with it.
 *
 * @param ret_spec  out, in the arena; set only when problems holds no error
 *
 * @return RC_OK also when problems are found
 *         RC_NOT_FOUND, RC_IO  the file cannot be read
 *         RC_LIMIT             over SPEC_BYTES_MAX, or more than the arena may hold
 *         RC_NOMEM
 */
MUST_CHECK enum rc spec_read(const char *path, struct arena *arena, struct spec **ret_spec,
                             struct problems *problems, struct err *err);

/* The same for a text; path is what messages and spec->file say. */
MUST_CHECK enum rc spec_parse(struct str text, const char *path, struct arena *arena,
                              struct spec **ret_spec, struct problems *problems, struct err *err);

/* NULL: the SLM has no contract with the flow. */
const struct spec_contract *spec_find_contract(const struct spec *spec, struct str flow);
bool spec_lists(const struct spec_text *names, size_t n, struct str name);

/* The value of each field in a joint assignment: joint in [0, n_joint), the last field runs
 * fastest. values: (n_fields,). */
void spec_values_of(const struct spec *spec, size_t joint, size_t *values);
size_t spec_joint_of(const struct spec *spec, const size_t *values);

/* The value of a field by its JSON; false when it is none of them. The order of a set's members
 * does not matter. */
bool spec_find_value(const struct spec_field *field, const struct json *v, size_t *ret_value);

/* What FEEL sees of a value: of a set the list of its members, in the order of the enumeration,
 * which lies in `room` of n_labels values and lives as long. Other fields need no room. */
struct feel_value spec_feel_value(const struct spec_field *field, size_t value,
                                  struct feel_value *room);

/* Is it the label, or a set that has it? */
bool spec_value_has(const struct spec_field *field, size_t value, size_t label);

/* Is the output written, and not chosen? */
static inline bool spec_writes(const struct spec *spec)
{
    return spec->n_open > 0;
}

/* Is the output a text, and nothing beside it? */
static inline bool spec_is_text(const struct spec *spec)
{
    return spec->n_open == 1 && spec->n_valued == 0;
}

/* Does the candidate make what the output is: written, or labels? */
bool spec_candidate_fits(enum spec_candidate kind, const struct spec *spec);

/* Does the metric say something of this field? balanced_accuracy says nothing of sets, set_f1
 * nothing of others. */
bool spec_metric_fits(enum spec_metric metric, const struct spec_field *field);

/* Has a set as many members as minItems and maxItems say? Any other value: true. */
bool spec_value_is_allowed(const struct spec_field *field, size_t value);

/* What the model reads of an input: one "name: value" line per shown name that is not null, in the
 * order of show. White space inside a value becomes one blank, so that no value can forge a line.
 * A context is its entries, "item: Toner, quantity: 2", without those that are null; a list is its
 * items, "a; b"; both stand in parentheses inside another of their kind and in a context.
 * Of an SLM that writes each leaf has its own line, "findings.done: search_opened, data_deleted",
 * and what is null or an empty list has none: from there a decoder copies. input and facts are
 * FEEL_CONTEXTs. */
void spec_append_shown(struct buf *out, const struct spec *spec, const struct feel_value *input,
                       const struct feel_value *facts);

/* The spec with every default written out, as a tree (yaml_append() makes it readable). */
MUST_CHECK enum rc spec_render(const struct spec *spec, struct arena *arena, struct json **ret_tree,
                               struct err *err);

struct spec_digests {
    struct digest all;      /* of the rendered spec in canonical form */
    struct digest training; /* of what the trained weights depend on */
};

/* training covers base, input, output, show, the facts shown with all they are computed from, data,
 * split and training: while it stays, a change of rules, gates, derived fields, tables and other
 * facts keeps the weights. The contents of files are not in it; the dataset has its own digest. */
MUST_CHECK enum rc spec_digests(const struct spec *spec, struct spec_digests *ret_digests,
                                struct err *err);

/* The JSON Schema of slm.yaml, made of the table that the reader walks. */
void spec_append_json_schema(struct buf *out);

#endif
