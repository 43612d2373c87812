/* build_internal.h - one build under way, and its stages. */
#ifndef FACTORY_BUILD_INTERNAL_H
#define FACTORY_BUILD_INTERNAL_H

#include "decide/version.h"
#include "factory/build.h"
#include "factory/data/dataset.h"
#include "factory/evaluate/gate.h"
#include "factory/train/candidate.h"
#include "registry/journal.h"

enum {
    BUILD_CANDIDATES = SPEC_LORA + 1,
    BUILD_DATASET_BYTES_MAX = 1 << 30,
    BUILD_REPORT_BYTES_MAX = 16 << 20,
};

/* One way of learning the SLM. Filled from the results of its stages, whether they ran now or in an
 * earlier process. */
struct build_candidate {
    bool trained, eligible; /* eligible: the spec names it; linear is trained as a floor anyway */
    struct digest adapter;
    struct fs_map adapter_map;
    struct predictor *predictor; /* of one that chooses */
    struct author *author;       /* of one that writes */
    bool writes_once;            /* it is compared by its first texts alone */
    struct decide_calibration calibration[SPEC_FIELDS_MAX];
    bool guaranteed[SPEC_FIELDS_MAX]; /* the target precision is promised, not only estimated */
    bool meets_gates;                 /* on validation rows */
    double merit;                     /* there: judge_merit() */
    double loss;                      /* there, per token; NaN but of LoRA */
    const struct judged *on_valid;    /* its answers there; NULL in a process that did not ask */
    const struct json *validated;     /* the stage's result */
};

struct build {
    const struct build_options *o;
    struct arena arena; /* lives as long as the build */
    char slm[REGISTRY_SLM_MAX + 1];

    struct spec *spec;
    struct str spec_text;
    struct spec_digests digests;
    struct digest spec_digest;     /* of the text */
    struct digest *source_digests; /* (n_data,) as planned */
    struct str base_json;          /* empty: no candidate needs a base */
    struct digest base_digest;
    struct version_base base;
    struct table *tables;
    struct manifest_table *table_digests;
    struct version *production; /* NULL: none */
    bool comparable;            /* production answers the same fields with the same labels */

    struct digest origin; /* of the version that is imported; none: it is built */

    struct digest id;
    char *journal_path, *checkpoint_path;
    struct journal *journal;
    int64_t created_ms; /* recorded once: a resumed build makes the same version */

    struct digest dataset_digest, card_digest;
    struct dataset *dataset;
    struct json *last_report; /* of the version whose weights are used again; or NULL */
    struct judge_rows valid;  /* read when first needed */
    const struct judged *valid_production; /* NULL: none */
    struct gate_floors valid_floors;
    struct candidate_rows train_texts, valid_texts;
    struct build_candidate candidates[BUILD_CANDIDATES];
    enum spec_candidate chosen;
    struct json *verdict; /* the stage's result */

    const char *stage, *asked; /* for who watches: the stage that runs, whose answers it asks for */
};

/* A stage writes its result as one JSON object; it is recorded, and what stands is read back. */
typedef enum rc build_stage_fn(struct build *b, enum spec_candidate kind,
                               struct json_writer *result, struct err *err);

/* Runs the stage unless the journal has its result. */
MUST_CHECK enum rc build_stage(struct build *b, const char *name, enum spec_candidate kind,
                               build_stage_fn *run, struct json **ret_result, struct err *err);

MUST_CHECK enum rc build_new(const struct build_options *options, struct build **ret_build,
                             struct err *err);
/* Frees b and what it opened. */
void build_end(struct build *b);
/* Opens the journal; what is recorded there already is used. */
MUST_CHECK enum rc build_start(struct build *b, struct err *err);
/* Registers the judged candidate, and tells of it. */
MUST_CHECK enum rc build_register(struct build *b, struct arena *arena,
                                  struct build_result *ret_result, struct err *err);

/* Parts of the plan that an import has too: opens base_json, finds production and the journal. */
MUST_CHECK enum rc build_open_base(struct build *b, struct err *err);
MUST_CHECK enum rc build_find_production(struct build *b, struct err *err);
MUST_CHECK enum rc build_find_paths(struct build *b, struct err *err);
/* Calibration and score of a candidate, from its recorded validation. RC_CORRUPT. */
MUST_CHECK enum rc build_read_validation(struct build *b, struct build_candidate *c,
                                         const struct json *result, struct err *err);

MUST_CHECK enum rc build_plan(struct build *b, struct problems *problems, struct err *err);
MUST_CHECK enum rc build_data(struct build *b, struct err *err);
MUST_CHECK enum rc build_train(struct build *b, enum spec_candidate kind, struct err *err);
MUST_CHECK enum rc build_validate(struct build *b, enum spec_candidate kind, struct err *err);
MUST_CHECK enum rc build_choose(struct build *b, struct err *err);
MUST_CHECK enum rc build_verdict(struct build *b, struct err *err);

/* A judge_progress_fn: passes it on. */
bool build_tell_of_rows(void *build, size_t done, size_t total);

/* Rows of a split with their labels, for deciding. */
MUST_CHECK enum rc build_rows(struct build *b, enum spec_split split, struct judge_rows *ret_rows,
                              struct err *err);
/* Fills train_texts, once. */
MUST_CHECK enum rc build_train_texts(struct build *b, struct err *err);
/* What a version has to beat: the answers that need no model, those of the linear candidate (of a
 * text: those of the base without training) and of production. */
MUST_CHECK enum rc build_floors(struct build *b, enum spec_candidate kind,
                                const struct judge_rows *rows, struct gate_floors *ret_floors,
                                struct err *err);
/* What a stage or a report says of a candidate's loss; NaN: nothing. RC_CORRUPT. */
MUST_CHECK enum rc build_read_loss(const struct json *result, double *ret_loss, struct err *err);
/* Opens the adapter of a trained candidate, once. */
MUST_CHECK enum rc build_open_candidate(struct build *b, struct build_candidate *c,
                                        struct err *err);
/* The candidate's answers with its calibration. */
MUST_CHECK enum rc build_judge(struct build *b, struct build_candidate *c,
                               const struct judge_rows *rows, const struct judged *scores,
                               struct judged **ret_judged, struct err *err);

/* A member that a recorded result must have. RC_CORRUPT. */
MUST_CHECK enum rc build_find_digest(const struct json *result, const char *key,
                                     struct digest *ret_digest, struct err *err);

/* Everything about the verdict as one JSON object. */
struct build_judgement {
    const struct judge_rows *rows;
    const struct judged *judged;
    const struct gate_floors *floors;
    const struct gate_report *gates;
    bool accepted;
    const char *const *reasons;
    size_t n_reasons;
};
MUST_CHECK enum rc build_report(struct build *b, const struct build_judgement *judgement,
                                struct buf *out, struct err *err);

/* {"macro_f1":x,"macro_f1_interval":[..],...} of one field, into an object that is begun. */
MUST_CHECK enum rc build_append_scores(struct json_writer *w, const struct judge_rows *rows,
                                       const struct judged *judged, size_t field,
                                       struct arena *arena, struct err *err);

#endif
