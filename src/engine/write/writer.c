#include "engine/write/writer.h"

#include "base/macros.h"

#include <math.h>
#include <string.h>

enum { TRIES_MAX = 64 /* tokens picked at one place before all are looked at */ };

/* One text on its way. */
struct writing {
    const struct writer *w;
    const struct llama_config *config;
    struct sampler sampler;
    float *state;  /* (C,) of the last token */
    float *logits; /* (V,) */
    struct form_state formed;
    struct writer_result result;
};

/* May the token follow? *next is then where the text stands behind it. */
static bool may_follow(const struct writing *g, size_t id, struct form_state *next)
{
    *next = g->formed;
    if ((int32_t)id == bpe_end(g->w->bpe))
        return form_end(g->w->form, next);
    if (id >= bpe_n_tokens(g->w->bpe) || bpe_is_special(g->w->bpe, id))
        return false;
    struct str token = bpe_token(g->w->bpe, id), not_next = g->w->not_next;
    if (g->result.n_tokens == 0 && token.len <= not_next.len &&
        memcmp(token.at, not_next.at, token.len) == 0)
        return false;
    return form_feed(g->w->form, next, token);
}

/* One pass over the vocabulary, where picking one token after the other would be many: in most
 * places of a form few tokens may follow. */
static void strike_out_others(struct writing *g)
{
    for (size_t id = 0; id < g->config->n_words; id++) {
        struct form_state next;

        if (g->logits[id] != -INFINITY && !may_follow(g, id, &next))
            g->logits[id] = -INFINITY;
    }
}

/* A token that may follow; -1: there is none. */
static int32_t choose(struct writing *g)
{
    for (size_t n_tries = 1;; n_tries++) {
        size_t id = sampler_pick(&g->sampler, g->logits, g->config->n_words);
        struct form_state next;

        if (g->logits[id] == -INFINITY)
            return -1;
        if (may_follow(g, id, &next)) {
            g->formed = next;
            return (int32_t)id;
        }
        g->logits[id] = -INFINITY;
        g->result.n_refused += n_tries == 1;
        if (n_tries == TRIES_MAX)
            strike_out_others(g);
    }
}

static enum writer_end write_on(struct writing *g, struct decoder_text *text, struct buf *out)
{
    const struct writer *w = g->w;

    for (;; g->result.n_tokens++) {
        decoder_logits(w->session, g->state, 1, g->logits);
        int32_t id = choose(g);
        if (id < 0)
            return WRITER_STUCK;
        if (id == bpe_end(w->bpe))
            return WRITER_ENDED;
        if (g->result.n_tokens == w->max_tokens ||
            decoder_text_length(text) == decoder_text_capacity(text))
            return WRITER_TOO_LONG;
        buf_append_str(out, bpe_token(w->bpe, (size_t)id));
        decoder_read(w->session, text, &id, 1, 1, g->state);
    }
}

enum rc writer_write(const struct writer *writer, struct decoder_text *text, const int32_t *ids,
                     size_t n_ids, struct buf *out, struct writer_result *ret_result,
                     struct err *err)
{
    struct writing g = { .w = writer,
                         .config = decoder_config(writer->decoder),
                         .sampler = writer->sampler,
                         .formed = form_begin(writer->form) };
    struct arena arena;

    ASSERT(n_ids > 0);
    arena_init(&arena, 16 << 20);
    g.state = arena_array(&arena, float, g.config->width);
    g.logits = arena_array(&arena, float, g.config->n_words);
    enum rc rc = g.state && g.logits ? RC_OK : arena_fail(&arena, err, "the logits");
    if (rc == RC_OK && !form_feed(writer->form, &g.formed, writer->begun))
        rc = err_set(err, RC_INVALID, "what it begins with is not of the form");
    if (rc == RC_OK) {
        decoder_read(writer->session, text, ids, n_ids, 1, g.state);
        g.result.end = write_on(&g, text, out);
        *ret_result = g.result;
        rc = buf_rc(out, "the text", err);
    }
    arena_release(&arena);
    return rc;
}
