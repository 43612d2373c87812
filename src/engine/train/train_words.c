/* train_words.c - the part of the vocabulary that the rows of a run have. */
#include "engine/train/train_internal.h"

#include <string.h>

/* number[word] becomes 1 for each word of the rows. */
static void mark(const struct train_rows *rows, uint32_t *number)
{
    for (size_t r = 0; r < rows->n; r++)
        for (size_t i = 0; i < rows->at[r].n_tokens; i++)
            number[rows->at[r].tokens[i]] = 1;
}

enum rc trainer_words(struct trainer *t, struct err *err)
{
    struct bert_config config = t->job->start->layout.config;
    size_t vocabulary = config.n_words;
    struct train_words *w = &t->words;

    w->number = arena_array(t->arena, uint32_t, vocabulary);
    w->id = arena_array(t->arena, uint32_t, vocabulary);
    if (!w->number || !w->id)
        return arena_fail(t->arena, err, "words");
    mark(&t->job->train, w->number);
    mark(&t->job->valid, w->number);
    for (size_t word = 0; word < vocabulary; word++) {
        if (w->number[word]) {
            w->number[word] = (uint32_t)w->n;
            w->id[w->n++] = (uint32_t)word;
        }
    }
    config.n_words = w->n;
    return bert_layout_init(&config, t->arena, &t->layout, err);
}

void trainer_gather_weights(const struct trainer *t, const struct bert *from, float *values)
{
    size_t width = t->layout.config.width;

    for (size_t i = 0; i < t->layout.n_tensors; i++) {
        const struct bert_tensor *to = &t->layout.tensors[i];

        if (to->slot != BERT_WORDS)
            memcpy(values + to->offset, from->values[i], to->n_values * sizeof(*values));
        for (size_t w = 0; w < t->words.n && to->slot == BERT_WORDS; w++)
            memcpy(values + to->offset + w * width, from->values[i] + t->words.id[w] * width,
                   width * sizeof(*values));
    }
}

void trainer_scatter_weights(const struct trainer *t, const float *values, float *all)
{
    const struct bert_layout *whole = &t->job->start->layout;
    size_t width = t->layout.config.width;

    bert_flatten(t->job->start, all);
    for (size_t i = 0; i < t->layout.n_tensors; i++) {
        const struct bert_tensor *from = &t->layout.tensors[i], *to = &whole->tensors[i];

        if (to->slot != BERT_WORDS)
            memcpy(all + to->offset, values + from->offset, to->n_values * sizeof(*all));
        for (size_t w = 0; w < t->words.n && to->slot == BERT_WORDS; w++)
            memcpy(all + to->offset + t->words.id[w] * width, values + from->offset + w * width,
                   width * sizeof(*all));
    }
}
