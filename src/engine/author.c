#include "engine/author.h"

#include "base/macros.h"
#include "base/mem.h"
#include "engine/tokenizer/chatml.h"
#include "engine/train/llama_adapter.h"

#include <pthread.h>
#include <string.h>

enum {
    AUTHOR_ARENA_BYTES = 2040 << 20,  /* the packed weights */
    SESSION_ARENA_BYTES = 1024 << 20, /* keys and values of AUTHOR_TOKENS_MAX tokens */
    LORA_ARENA_BYTES = 1024 << 20,
    PROMPT_ARENA_BYTES = 16 << 20,
};

/* What one text on its way needs. */
struct author_session {
    struct author_session *next; /* idle ones */
    struct arena arena;
    struct decoder_session *decoder;
    struct decoder_text *text;
};

struct author_sessions {
    pthread_mutex_t lock; /* guards idle */
    struct author_session *idle;
};

struct author {
    struct arena arena; /* of all below, sessions excepted */
    const struct decoder_base *base;
    struct kernels kernels;
    struct str instructions;
    struct adapter *adapter;
    struct decoder *decoder;
    struct decoder_text *shared; /* the instructions, read */
    size_t capacity;             /* tokens of a text */
    struct author_sessions *sessions;
};

enum rc author_prompt(const struct bpe *bpe, struct str instructions, struct str shown,
                      struct arena *arena, struct author_prompt *ret_prompt, struct err *err)
{
    struct chatml chat;
    size_t n_shared = 0;
    enum rc rc = chatml_init(&chat, bpe, arena, err);

    if (rc == RC_OK)
        rc = chatml_add(&chat, STR("system"), instructions, err);
    if (rc == RC_OK) {
        n_shared = chat.n_ids;
        rc = chatml_add(&chat, STR("user"), shown, err);
    }
    if (rc == RC_OK)
        rc = chatml_begin_answer(&chat, err);
    if (rc)
        return rc;
    *ret_prompt = (struct author_prompt){ chat.ids, chat.n_ids, n_shared };
    return RC_OK;
}

/* ---- sessions ---- */

static void free_session(struct author_session *s)
{
    arena_release(&s->arena);
    mem_free(s);
}

static enum rc new_session(const struct author *a, struct author_session **ret_session,
                           struct err *err)
{
    struct author_session *s = mem_alloc(sizeof(*s));

    if (!s)
        return err_set(err, RC_NOMEM, "session");
    arena_init(&s->arena, SESSION_ARENA_BYTES);
    enum rc rc =
        decoder_session_new(a->decoder, &a->kernels, a->capacity, &s->arena, &s->decoder, err);
    if (rc == RC_OK)
        rc = decoder_text_new(a->decoder, a->capacity, &s->arena, &s->text, err);
    if (rc) {
        free_session(s);
        return rc;
    }
    *ret_session = s;
    return RC_OK;
}

static enum rc take_session(const struct author *a, struct author_session **ret_session,
                            struct err *err)
{
    pthread_mutex_lock(&a->sessions->lock);
    struct author_session *found = a->sessions->idle;
    if (found)
        a->sessions->idle = found->next;
    pthread_mutex_unlock(&a->sessions->lock);
    if (!found)
        return new_session(a, ret_session, err);
    *ret_session = found;
    return RC_OK;
}

static void return_session(const struct author *a, struct author_session *s)
{
    pthread_mutex_lock(&a->sessions->lock);
    s->next = a->sessions->idle;
    a->sessions->idle = s;
    pthread_mutex_unlock(&a->sessions->lock);
}

/* ---- opening ---- */

static enum rc check_adapter(const struct author *a, struct err *err)
{
    const struct adapter *adapter = a->adapter;
    const struct digest *base = &a->base->digest;

    if (!adapter_writes(adapter->kind))
        return err_set(err, RC_INVALID, "a %s adapter chooses, it does not write",
                       adapter_kind_name(adapter->kind));
    if (!digest_equal(&adapter->base, base))
        return err_set(err, RC_INVALID, "it stands on the base %.12s, given is %.12s",
                       adapter->base.hex, base->hex);
    if (adapter->kind == ADAPTER_PROMPTED &&
        (adapter->file->n_tensors > 0 || adapter->lora_alpha > 0.0f))
        return err_set(err, RC_CORRUPT, "a prompted adapter has no tensors");
    return RC_OK;
}

/* The LoRA values live only as long as they are merged. */
static enum rc pack_decoder(struct author *a, struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    struct decoder_weights weights = { .file = &a->base->llama };
    struct llama_lora lora;
    enum rc rc = RC_OK;

    arena_init(&arena, LORA_ARENA_BYTES);
    if (a->adapter->kind == ADAPTER_LORA) {
        rc = llama_adapter_read(a->adapter, &a->base->llama.config, &arena, &lora,
                                &weights.lora_values, err);
        weights.lora = &lora;
    }
    return rc ? rc : decoder_new(&weights, DENSE_INT8, &a->kernels, &a->arena, &a->decoder, err);
}

static enum rc read_instructions(struct author *a, struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    struct author_session *session;
    struct author_prompt prompt = { 0 };
    size_t n_positions = a->base->llama.config.n_positions;

    arena_init(&arena, PROMPT_ARENA_BYTES);
    a->capacity = n_positions < AUTHOR_TOKENS_MAX ? n_positions : AUTHOR_TOKENS_MAX;
    enum rc rc = author_prompt(a->base->bpe, a->instructions, STR(""), &arena, &prompt, err);
    if (rc)
        return rc;
    if (prompt.n_ids >= a->capacity)
        return err_set(err, RC_LIMIT, "instructions of %zu tokens, at most %zu fit", prompt.n_ids,
                       a->capacity);
    rc = decoder_text_new(a->decoder, prompt.n_shared, &a->arena, &a->shared, err);
    if (rc == RC_OK)
        rc = take_session(a, &session, err);
    if (rc)
        return rc;
    decoder_read(session->decoder, a->shared, prompt.ids, prompt.n_shared, 0, NULL);
    return_session(a, session);
    return RC_OK;
}

enum rc author_open(const struct decoder_base *base, const uint8_t *bytes, size_t size,
                    struct str instructions, const struct kernels *kernels,
                    struct author **ret_author, struct err *err)
{
    CLEANUP(author_closep) struct author *a = mem_alloc(sizeof(*a));

    if (!a)
        return err_set(err, RC_NOMEM, "author");
    arena_init(&a->arena, AUTHOR_ARENA_BYTES);
    a->base = base;
    a->kernels = *kernels;
    a->instructions = instructions;
    a->sessions = arena_new(&a->arena, struct author_sessions);
    if (!a->sessions)
        return arena_fail(&a->arena, err, "author");
    pthread_mutex_init(&a->sessions->lock, NULL);
    enum rc rc = adapter_parse(bytes, size, &a->arena, &a->adapter, err);
    if (rc)
        return rc;
    rc = check_adapter(a, err);
    if (rc == RC_OK)
        rc = pack_decoder(a, err);
    if (rc == RC_OK)
        rc = read_instructions(a, err);
    if (rc)
        return err_context(err, "adapter");
    *ret_author = TAKE(a);
    return RC_OK;
}

void author_close(struct author *author)
{
    if (!author)
        return;
    if (author->sessions) {
        for (struct author_session *s = author->sessions->idle, *next; s; s = next) {
            next = s->next;
            free_session(s);
        }
        pthread_mutex_destroy(&author->sessions->lock);
    }
    arena_release(&author->arena);
    mem_free(author);
}

const struct adapter *author_adapter(const struct author *author)
{
    return author->adapter;
}

/* ---- writing ---- */

/* All that the model reads before its first token: the prompt, and the text as far as it is begun.
 */
static enum rc prompt_of(const struct author *a, const struct author_request *request,
                         struct arena *arena, struct author_prompt *ret_prompt, struct err *err)
{
    const struct bpe *bpe = a->base->bpe;
    struct author_prompt prompt = { 0 };
    size_t n_begun = 0;
    enum rc rc = author_prompt(bpe, a->instructions, request->shown, arena, &prompt, err);

    if (rc == RC_OK)
        rc = bpe_count(bpe, request->begun, &n_begun, err);
    if (rc)
        return rc;
    size_t n_ids = prompt.n_ids + n_begun, room = a->capacity - request->max_tokens;
    if (request->max_tokens > a->capacity || n_ids > room)
        return err_set(err, RC_LIMIT,
                       "%zu tokens are shown, and at most %zu are to be written; %zu "
                       "fit in all",
                       n_ids, request->max_tokens, a->capacity);
    int32_t *ids = arena_array(arena, int32_t, n_ids);
    if (!ids)
        return arena_fail(arena, err, "tokens");
    memcpy(ids, prompt.ids, prompt.n_ids * sizeof(ids[0]));
    *ret_prompt = (struct author_prompt){ ids, n_ids, prompt.n_shared };
    return bpe_encode(bpe, request->begun, n_begun, ids + prompt.n_ids, &n_begun, err);
}

static enum rc write_with(const struct author *a, struct author_session *session,
                          const struct author_request *request, struct buf *out,
                          struct writer_result *ret_result, struct err *err)
{
    CLEANUP(arena_release) struct arena arena;
    struct author_prompt prompt = { 0 };
    const struct writer writer = { .decoder = a->decoder,
                                   .session = session->decoder,
                                   .bpe = a->base->bpe,
                                   .form = request->form,
                                   .max_tokens = request->max_tokens,
                                   .begun = request->begun,
                                   .not_next = request->not_next,
                                   .sampler = { request->temperature, request->seed } };

    arena_init(&arena, PROMPT_ARENA_BYTES);
    enum rc rc = prompt_of(a, request, &arena, &prompt, err);
    if (rc)
        return rc;
    buf_append_str(out, request->begun);
    decoder_text_copy(session->text, a->shared, prompt.n_shared);
    return writer_write(&writer, session->text, prompt.ids + prompt.n_shared,
                        prompt.n_ids - prompt.n_shared, out, ret_result, err);
}

enum rc author_write(const struct author *a, const struct author_request *request, struct buf *out,
                     struct writer_result *ret_result, struct err *err)
{
    struct author_session *session;

    ASSERT(request->max_tokens >= 1 && request->max_tokens <= AUTHOR_WRITTEN_MAX);
    enum rc rc = take_session(a, &session, err);
    if (rc)
        return rc;
    rc = write_with(a, session, request, out, ret_result, err);
    return_session(a, session);
    return rc;
}
