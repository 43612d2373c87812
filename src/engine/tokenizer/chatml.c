#include "engine/tokenizer/chatml.h"

#include "base/buf.h"

enum rc chatml_init(struct chatml *chat, const struct bpe *bpe, struct arena *arena,
                    struct err *err)
{
    struct chatml c = { .bpe = bpe,
                        .arena = arena,
                        .start = bpe_find_special(bpe, "<|im_start|>"),
                        .end = bpe_find_special(bpe, "<|im_end|>") };

    if (c.start < 0 || c.end < 0)
        return err_set(err, RC_UNSUPPORTED,
                       "the vocabulary has no <|im_start|> and <|im_end|>: no chat model");
    *chat = c;
    return RC_OK;
}

static enum rc reserve(struct chatml *chat, size_t n, struct err *err)
{
    size_t capacity = chat->capacity ? chat->capacity : 256;

    if (n > CHATML_TOKENS_MAX - chat->n_ids)
        return err_set(err, RC_LIMIT, "chat of over %d tokens", CHATML_TOKENS_MAX);
    while (capacity < chat->n_ids + n)
        capacity *= 2;
    if (capacity == chat->capacity)
        return RC_OK;
    int32_t *ids = arena_array(chat->arena, int32_t, capacity);
    if (!ids)
        return arena_fail(chat->arena, err, "chat");
    if (chat->n_ids)
        memcpy(ids, chat->ids, chat->n_ids * sizeof(ids[0]));
    chat->ids = ids;
    chat->capacity = capacity;
    return RC_OK;
}

/* Room for all that a step adds is there before it adds: a failed one leaves the chat as it was. */
static enum rc add_text(struct chatml *chat, struct str text, struct err *err)
{
    size_t n = 0;
    enum rc rc = bpe_count(chat->bpe, text, &n, err);

    if (rc == RC_OK)
        rc = reserve(chat, n + 3, err); /* start before it, end and a line behind it */
    if (rc)
        return rc;
    rc = bpe_encode(chat->bpe, text, n, chat->ids + chat->n_ids + 1, &n, err);
    if (rc)
        return rc;
    chat->ids[chat->n_ids] = chat->start;
    chat->n_ids += 1 + n;
    return RC_OK;
}

enum rc chatml_add(struct chatml *chat, struct str role, struct str text, struct err *err)
{
    CLEANUP(buf_releasep) struct buf whole = { 0 };
    int32_t line;
    size_t n;
    enum rc rc = bpe_encode(chat->bpe, STR("\n"), 1, &line, &n, err);

    if (rc)
        return rc;
    buf_init(&whole, BPE_TEXT_BYTES_MAX);
    buf_append_str(&whole, role);
    buf_append_char(&whole, '\n');
    buf_append_str(&whole, text);
    rc = buf_rc(&whole, "message", err);
    if (rc == RC_OK)
        rc = add_text(chat, buf_str(&whole), err);
    if (rc)
        return rc;
    chat->ids[chat->n_ids++] = chat->end;
    if (n)
        chat->ids[chat->n_ids++] = line;
    return RC_OK;
}

enum rc chatml_begin_answer(struct chatml *chat, struct err *err)
{
    return add_text(chat, STR("assistant\n"), err);
}
