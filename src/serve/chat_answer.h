/*
 * chat_answer.h - a decision as an answer of OpenAI's chat API, whole or as a stream of events.
 *
 *   {"id":"dec_...","object":"chat.completion","created":1764000000,"model":"triage","choices":
 *    [{"index":0,"message":{"role":"assistant","content":"{\"priority\":\"high\"}","refusal":null},
 *      "logprobs":null,"finish_reason":"stop"}],
 *    "usage":{...},"system_fingerprint":"<version>"}
 *
 * The id is the decision's: what can be done with that (show, replay, feedback) can be done with
 * this. The content is the output as JSON. An abstention is {"abstained":{...}} as in the decisions
 * API, and its sentence is the refusal, so that a client that asked for a type does not take it for
 * an answer.
 *
 * A stream has the finished answer in it, in pieces: rules are checked on whole answers, and
 * nothing leaves before they were.
 */
#ifndef SERVE_CHAT_ANSWER_H
#define SERVE_CHAT_ANSWER_H

#include "record/decision.h"
#include "serve/chat_request.h"

enum { CHAT_PIECE_TOKENS = 4 }; /* of the content, in an event of a stream */

/**
 * Appends the answer, or the events of it when request->stream.
 *
 *
 * @return RC_OK; RC_CORRUPT: the stored answer is no decision; RC_LIMIT, RC_NOMEM
 */
MUST_CHECK enum rc chat_append_answer(const struct chat_request *request,
                                      const struct decision *decision, struct arena *arena,
                                      struct buf *out, struct err *err);

/* What usage and limits count: a run of letters, digits and bytes beyond ASCII, or one other
 * character that is no white space. */
size_t chat_tokens(struct str text);

/* The beginning of a text that has n tokens, or all of it. */
struct str chat_first_tokens(struct str text, size_t n);

#endif
