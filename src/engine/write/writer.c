#include "engine/write/writer.h"

#include "base/exact_math.h"
#include "base/macros.h"
#include "engine/train/train_random.h"

#include <math.h>
#include <string.h>

/* One text on its way. */
struct writing {
    const struct writer *w;
    const struct llama_config *config;
    float *state;  /* (C,) of the last token */
    float *logits; /* (V,) */
    struct copies_state copied;
    struct writer_result result;
};

/* Makes the logits those of a draw. */
static void add_gumbel(struct writing *g)
{
    uint64_t key = train_random(g->w->seed, g->result.n_tokens);

    for (size_t id = 0; id < g->config->n_words; id++) {
        /* In (0, 1), so that both logarithms are finite. */
        double u = ((double)(train_random(key, id) >> 12) + 0.5) / 4503599627370496.0;
        double gumbel = -exact_ln(-exact_ln(u));

        g->logits[id] = (float)((double)g->logits[id] + g->w->temperature * gumbel);
    }
}

/* May the token follow? *next is then where the text stands behind it. */
static bool may_follow(const struct writing *g, size_t id, struct copies_state *next)
{
    *next = g->copied;
    if ((int32_t)id == bpe_end(g->w->bpe))
        return copies_end(g->w->copies, next);
    if (id >= bpe_n_tokens(g->w->bpe) || bpe_is_special(g->w->bpe, id))
        return false;
    struct str token = bpe_token(g->w->bpe, id), not_next = g->w->not_next;
    if (g->result.n_tokens == 0 && token.len <= not_next.len &&
        memcmp(token.at, not_next.at, token.len) == 0)
        return false;
    return copies_feed(g->w->copies, next, token);
}

/* The best token that may follow, the first of equals; -1: none. What may not is struck out. */
static int32_t choose(struct writing *g)
{
    for (;;) {
        struct copies_state next;
        size_t best = 0;

        for (size_t id = 1; id < g->config->n_words; id++)
            if (g->logits[id] > g->logits[best])
                best = id;
        if (g->logits[best] == -INFINITY)
            return -1;
        if (may_follow(g, best, &next)) {
            g->copied = next;
            return (int32_t)best;
        }
        g->logits[best] = -INFINITY;
        g->result.n_refused++;
    }
}

static enum writer_end write_on(struct writing *g, struct decoder_text *text, struct buf *out)
{
    const struct writer *w = g->w;

    for (;; g->result.n_tokens++) {
        decoder_logits(w->session, g->state, 1, g->logits);
        if (w->temperature > 0.0)
            add_gumbel(g);
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
                         .copied = copies_begin() };
    struct arena arena;

    ASSERT(n_ids > 0 && writer->temperature >= 0.0);
    arena_init(&arena, 16 << 20);
    g.state = arena_array(&arena, float, g.config->width);
    g.logits = arena_array(&arena, float, g.config->n_words);
    enum rc rc = g.state && g.logits ? RC_OK : arena_fail(&arena, err, "the logits");
    if (rc == RC_OK && !copies_feed(writer->copies, &g.copied, writer->begun))
        rc = err_set(err, RC_INVALID, "what the text begins with is not copied");
    if (rc == RC_OK) {
        decoder_read(writer->session, text, ids, n_ids, 1, g.state);
        g.result.end = write_on(&g, text, out);
        *ret_result = g.result;
        rc = buf_rc(out, "the text", err);
    }
    arena_release(&arena);
    return rc;
}
