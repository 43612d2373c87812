#include "record/feedback.h"

#include "base/failpoint.h"
#include "base/json.h"
#include "record/decision.h"
#include "record/record_internal.h"

enum {
    EXPORT_PAGE = 50, /* rows read in one transaction, so that deciding goes on meanwhile */
    EXPORT_ROW_MAX = DECISION_INPUT_MAX + DECISION_ANSWER_MAX + FEEDBACK_OUTPUT_MAX + 256,
};

static enum rc check_feedback(const struct feedback *f, struct err *err)
{
    const char *key = f->idempotency_key;

    enum rc rc = record_check_text("principal", f->principal, 1, RECORD_PRINCIPAL_MAX, err);
    if (rc)
        return rc;
    rc = record_check_text("comment", f->comment, 0, FEEDBACK_COMMENT_MAX, err);
    if (rc)
        return rc;
    rc = record_check_text("idempotency key", key, key ? 1 : 0, RECORD_IDEMPOTENCY_KEY_MAX, err);
    if (rc)
        return rc;
    if (f->kind == FEEDBACK_OUTPUT)
        return record_check_object("output", f->output, FEEDBACK_OUTPUT_MAX, err);
    return RC_OK;
}

static enum rc insert_feedback(struct store_tx *tx, const struct feedback *f, struct err *err)
{
    bool is_output = f->kind == FEEDBACK_OUTPUT;

    return store_exec(tx,
                      "insert into feedback (id, decision_id, output, is_right, comment, principal,"
                      " idempotency_key, request, recorded_ms) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                      STORE_ARGS(store_text(f->id), store_text(f->decision_id),
                                 is_output ? store_str(f->output) : store_null(),
                                 is_output ? store_null() : store_i64(f->is_right),
                                 store_text(f->comment), store_text(f->principal),
                                 store_text(f->idempotency_key), store_text(f->request.hex),
                                 store_i64(f->recorded_ms)),
                      err);
}

static enum rc check_decision_exists(struct store_tx *tx, const char *id, struct err *err)
{
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;

    enum rc rc = store_select_one(tx, "select 1 from decision where id = ?",
                                  STORE_ARGS(store_text(id)), &rows, err);
    if (rc)
        return rc;
    if (!rows)
        return err_set(err, RC_NOT_FOUND, "no decision '%.40s'", id);
    return RC_OK;
}

/* Sets id and time from what the key stands for, if it stands for something. */
static enum rc find_repeated(struct store_tx *tx, struct feedback *f, bool *ret_found,
                             struct err *err)
{
    CLEANUP(store_rows_freep) struct store_rows *rows = NULL;
    struct digest request;

    *ret_found = false;
    if (!f->idempotency_key)
        return RC_OK;
    enum rc rc =
        store_select_one(tx,
                         "select id, request, recorded_ms from feedback"
                         " where principal = ? and decision_id = ? and idempotency_key = ?",
                         STORE_ARGS(store_text(f->principal), store_text(f->decision_id),
                                    store_text(f->idempotency_key)),
                         &rows, err);
    if (rc || !rows)
        return rc;
    rc = record_read_digest(rows, 1, &request, err);
    if (rc)
        return rc;
    if (!digest_equal(&request, &f->request))
        return err_set(err, RC_CONFLICT, "idempotency key '%.100s' was used for other feedback",
                       f->idempotency_key);
    *ret_found = true;
    f->recorded_ms = store_column_i64(rows, 2);
    return record_read_chars(rows, 0, f->id, sizeof(f->id), err);
}

enum rc feedback_add(struct record *record, struct feedback *feedback, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    struct feedback added = *feedback;
    bool repeated;

    enum rc rc = check_feedback(feedback, err);
    if (rc)
        return rc;
    rc = store_begin(record->store, &tx, err);
    if (rc)
        return rc;
    rc = check_decision_exists(tx, added.decision_id, err);
    if (rc)
        return rc;
    rc = find_repeated(tx, &added, &repeated, err);
    if (rc)
        return rc;
    if (!repeated) {
        added.recorded_ms = record_now_ms(record);
        record_make_id("fbk", added.recorded_ms, added.id);
        rc = insert_feedback(tx, &added, err);
        if (rc)
            return rc;
        FAILPOINT("record.before_feedback_commit");
        rc = store_commit(TAKE(tx), err);
        if (rc)
            return rc;
        FAILPOINT("record.after_feedback_commit");
    }
    *feedback = added;
    return RC_OK;
}

static enum rc read_feedback(const struct store_rows *rows, struct arena *arena, void *item,
                             struct err *err)
{
    struct feedback *f = item;

    f->is_right = store_column_i64(rows, 3) != 0;
    f->recorded_ms = store_column_i64(rows, 8);
    enum rc rc = record_read_chars(rows, 0, f->id, sizeof(f->id), err);
    if (!rc)
        rc = record_read_chars(rows, 1, f->decision_id, sizeof(f->decision_id), err);
    if (!rc)
        rc = store_column_copy(rows, 2, arena, &f->output, err);
    if (!rc)
        rc = record_copy_text(rows, 4, arena, &f->comment, err);
    if (!rc)
        rc = record_copy_text(rows, 5, arena, &f->principal, err);
    if (!rc)
        rc = record_copy_text(rows, 6, arena, &f->idempotency_key, err);
    if (!rc)
        rc = record_read_digest(rows, 7, &f->request, err);
    f->kind = f->output.at ? FEEDBACK_OUTPUT : FEEDBACK_VERDICT;
    return rc;
}

enum rc feedback_list(struct record *record, const char *decision_id, struct arena *arena,
                      struct feedback **ret_feedback, size_t *ret_n, struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    void *items;

    enum rc rc = store_begin_read(record->store, &tx, err);
    if (rc)
        return rc;
    rc = store_select_all(tx,
                          "select id, decision_id, output, is_right, comment, principal,"
                          " idempotency_key, request, recorded_ms from feedback"
                          " where decision_id = ? order by seq",
                          STORE_ARGS(store_text(decision_id)), read_feedback,
                          sizeof(**ret_feedback), RECORD_LIST_MAX, arena, &items, ret_n, err);
    if (rc)
        return rc;
    *ret_feedback = items;
    return RC_OK;
}

/* Export */

struct export_row {
    int64_t seq;
    const char *decision_id;
    struct str input, output, answer; /* output: a person's; at NULL when the answer's counts */
    bool is_right;
};

static enum rc read_export_row(const struct store_rows *rows, struct arena *arena, void *item,
                               struct err *err)
{
    struct export_row *row = item;

    row->seq = store_column_i64(rows, 0);
    row->is_right = store_column_i64(rows, 4) != 0;
    enum rc rc = record_copy_text(rows, 1, arena, &row->decision_id, err);
    if (!rc)
        rc = store_column_copy(rows, 2, arena, &row->input, err);
    if (!rc)
        rc = store_column_copy(rows, 3, arena, &row->output, err);
    if (!rc)
        rc = store_column_copy(rows, 5, arena, &row->answer, err);
    return rc;
}

static enum rc read_page(struct record *record, const char *slm, int64_t after_seq,
                         struct arena *arena, struct export_row **ret_rows, size_t *ret_n,
                         struct err *err)
{
    CLEANUP(store_rollbackp) struct store_tx *tx = NULL;
    void *items;

    enum rc rc = store_begin_read(record->store, &tx, err);
    if (rc)
        return rc;
    rc = store_select_all(tx,
                          "select f.seq, f.decision_id, d.input, f.output, f.is_right,"
                          "  case when f.is_right then d.answer end"
                          " from feedback f join decision d on d.id = f.decision_id"
                          " where f.seq > ? and d.slm = ?"
                          "  and f.seq = (select max(seq) from feedback where decision_id = d.id)"
                          " order by f.seq limit ?",
                          STORE_ARGS(store_i64(after_seq), store_text(slm), store_i64(EXPORT_PAGE)),
                          read_export_row, sizeof(**ret_rows), EXPORT_PAGE, arena, &items, ret_n,
                          err);
    if (rc)
        return rc;
    *ret_rows = items;
    return RC_OK;
}

/* Through the parser: a stored text may hold line feeds, which would end the row. */
static enum rc append_json(struct buf *line, struct str text, const char *member,
                           struct arena *arena, bool *ret_is_object, struct err *err)
{
    struct json *parsed;

    enum rc rc = json_parse(text, JSON_DUPLICATES_KEPT, arena, &parsed, err);
    if (rc)
        return rc;
    const struct json *value = member ? json_find(parsed, member) : parsed;
    *ret_is_object = value && value->type == JSON_OBJECT;
    if (*ret_is_object)
        json_append(line, value);
    return RC_OK;
}

/* *ret_is_object: whether the line is a row; an abstention that was right has no output. */
static enum rc append_row(struct buf *line, const struct export_row *row, bool *ret_is_row,
                          struct err *err)
{
    CLEANUP(arena_release) struct arena arena;

    arena_init(&arena, 64 * (size_t)EXPORT_ROW_MAX);
    buf_append_text(line, "{\"id\":");
    json_append_string(line, str_of(row->decision_id));
    buf_append_text(line, ",\"input\":");
    enum rc rc = append_json(line, row->input, NULL, &arena, ret_is_row, err);
    if (rc || !*ret_is_row)
        return rc;
    buf_append_text(line, ",\"output\":");
    rc = row->output.at ? append_json(line, row->output, NULL, &arena, ret_is_row, err)
                        : append_json(line, row->answer, "output", &arena, ret_is_row, err);
    if (rc)
        return rc;
    buf_append_char(line, '}');
    return buf_rc(line, "exported row", err);
}

static enum rc export_row(const struct export_row *row, feedback_row_fn *row_fn, void *self,
                          struct feedback_counts *counts, struct err *err)
{
    CLEANUP(buf_release) struct buf line;
    bool is_row = row->output.at || row->is_right;

    buf_init(&line, EXPORT_ROW_MAX);
    if (is_row) {
        enum rc rc = append_row(&line, row, &is_row, err);
        if (rc)
            return err_context(err, "feedback on %s", row->decision_id);
    }
    if (!is_row) {
        counts->n_without_output++;
        return RC_OK;
    }
    counts->n_rows++;
    return row_fn(self, buf_str(&line), err);
}

enum rc feedback_export(struct record *record, const char *slm, feedback_row_fn *row_fn, void *self,
                        struct feedback_counts *ret_counts, struct err *err)
{
    struct feedback_counts counts = { 0 };
    int64_t after_seq = 0;
    size_t n = EXPORT_PAGE;

    while (n == EXPORT_PAGE) {
        CLEANUP(arena_release) struct arena arena;
        struct export_row *rows;

        arena_init(&arena, EXPORT_PAGE * (size_t)EXPORT_ROW_MAX);
        enum rc rc = read_page(record, slm, after_seq, &arena, &rows, &n, err);
        if (rc)
            return rc;
        for (size_t i = 0; i < n; i++) {
            rc = export_row(&rows[i], row_fn, self, &counts, err);
            if (rc)
                return rc;
            after_seq = rows[i].seq;
        }
    }
    *ret_counts = counts;
    return RC_OK;
}
