/* coordinator_internal.h - what the files of the coordinator share. */
#ifndef SERVE_COORDINATOR_INTERNAL_H
#define SERVE_COORDINATOR_INTERNAL_H

#include "net/http_client.h"
#include "orchestrate/run_journal.h"
#include "serve/authorize.h"
#include "serve/coordinator.h"
#include "serve/http/http_caller.h"
#include "serve/metrics.h"

#include <pthread.h>

enum {
    COORDINATOR_FLOWS_MAX = 1000,
    COORDINATOR_CALLS_PER_TEAM = 32, /* connections; further calls wait */
    COORDINATOR_BUCKETS = 4096,      /* of the table of runs */
    COORDINATOR_WATCHERS_MAX = 64,   /* event streams that wait */
    COORDINATOR_WATCH_MS = 20000,    /* how long one waits for an event */
    COORDINATOR_TRY_AGAIN_MS = 1000, /* after a failed transaction, or a lack of memory */
    COORDINATOR_WATCH_LOOK_MS = 500, /* how often it is seen that nobody waits any more */
    COORDINATOR_ARENA_BYTES_MAX = 256 << 20,
};

/* A pinned flow, shared by its runs; kept until the end. */
struct coordinator_definition {
    struct digest digest;
    struct arena arena;
    struct spec_flow *flow;
    struct coordinator_definition *next;
};

/* A flow of the workspace, as it was when the coordinator started. */
struct coordinator_flow {
    const char *name;
    const struct coordinator_definition *definition; /* NULL: it has errors */
    struct err problem;                              /* then, the first */
};

/* How an attempt at a team came out. */
enum coordinator_result {
    COORDINATOR_ANSWERED,
    COORDINATOR_ABSTAINED,
    COORDINATOR_REFUSED,
    COORDINATOR_TIMEOUT,
    COORDINATOR_UNAVAILABLE,
    COORDINATOR_RESULTS
};

struct coordinator_team_link {
    const char *name, *key;
    struct http_caller *caller;
    uint64_t n_calls[COORDINATOR_RESULTS];
};

/* A call that is being made; the run may have ended meanwhile. */
struct coordinator_call {
    struct http_call http; /* the first member */
    struct coordinator *coordinator;
    char run[RUN_ID_MAX + 1];
    size_t step;
    int64_t visit, attempt;
    struct coordinator_call *previous, *next; /* of all calls */
};

/* A run that has not ended, or whose end is to be told. */
struct coordinator_run {
    struct run *run;
    struct coordinator_run *next_in_bucket;
    struct coordinator_run *next_ready;
    bool is_ready;                       /* something has changed: run_next() is to be asked */
    int64_t wake_ms;                     /* 0: never */
    const struct coordinator_call *call; /* being made for its present attempt; NULL: none */
    bool telling;                        /* the webhook thread has it */
    unsigned n_untold;                   /* failed attempts to tell */

    /* the event that the next transaction records */
    bool has_pending, is_applied; /* is_applied: a start, whose run is made of it already */
    struct run_event pending;
    struct buf body;                /* of pending, when it is not the run's */
    struct run_start start;         /* of a start */
    struct http_exchange *exchange; /* waits for the transaction; NULL: nobody does */
};

/* Somebody is told that a run has ended. */
struct coordinator_hook {
    char run[RUN_ID_MAX + 1];
    char url[HTTP_CLIENT_URL_MAX + 1];
    struct buf body;
    bool told;
    struct coordinator_hook *next;
};

struct coordinator_watcher {
    struct http_exchange *exchange; /* NULL: free */
    char run[RUN_ID_MAX + 1];
    int64_t from, until_ms;
};

struct coordinator {
    struct coordinator_config config;
    struct serve_team *team; /* its own files */
    struct run_journal *journal;
    struct http_server *http;
    struct http_routes public_routes, admin_routes;
    unsigned port;
    struct serve_authorizer authorizer;
    struct arena arena; /* of names, links, flows */
    size_t n_links;
    struct coordinator_team_link *links;
    size_t n_flows;
    struct coordinator_flow *flows;
    struct metrics metrics; /* of requests */

    /* What has come in; mutex guards it. */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct http_exchange *exchanges, **exchanges_end;
    struct http_call *calls_done, **calls_done_end;
    struct coordinator_hook *hooks_done;
    bool closed;
    pthread_t worker;
    bool worker_runs;

    /* The webhook thread's; hook_mutex guards it. */
    pthread_mutex_t hook_mutex;
    pthread_cond_t hook_wake;
    struct coordinator_hook *hooks, **hooks_end;
    bool hooks_closed;
    pthread_t teller;
    bool teller_runs;

    /* The worker's. */
    struct coordinator_definition *definitions;
    struct coordinator_run *runs[COORDINATOR_BUCKETS];
    size_t n_runs;
    struct coordinator_run *ready;
    struct coordinator_call *calls;
    struct coordinator_watcher watchers[COORDINATOR_WATCHERS_MAX];
    uint64_t n_started, n_ended[RUN_CANCELLED + 1];
    int64_t next_wake_ms; /* of runs and watchers; INT64_MAX: none */
};

int64_t coordinator_now_ms(const struct coordinator *c);

/* coordinator_runs.c; the worker's thread */
struct coordinator_run *coordinator_find(struct coordinator *c, const char *id); /* NULL: ended */
/* RC_NOT_FOUND, RC_NOMEM, ... */
MUST_CHECK enum rc coordinator_load_definition(struct coordinator *c, const struct digest *digest,
                                               struct coordinator_definition **ret,
                                               struct err *err);
MUST_CHECK enum rc coordinator_add(struct coordinator *c, struct run *run,
                                   struct coordinator_run **ret, struct err *err);
void coordinator_remove(struct coordinator *c, struct coordinator_run *r);
void coordinator_touch(struct coordinator *c, struct coordinator_run *r); /* is ready */
void coordinator_wake_at(struct coordinator *c, struct coordinator_run *r, int64_t at_ms);
/* Records and acts until every run waits for something. */
void coordinator_advance(struct coordinator *c);
void coordinator_wake_due(struct coordinator *c, int64_t now_ms);
/* Takes up the runs that have not ended. */
MUST_CHECK enum rc coordinator_recover(struct coordinator *c, struct err *err);

/* coordinator_calls.c */
void coordinator_begin_call(struct coordinator *c, struct coordinator_run *r,
                            const struct run_action *action);
void coordinator_end_call(struct coordinator *c, struct http_call *call);
void coordinator_free_calls(struct coordinator *c); /* when the server has been closed */

/* coordinator_hook.c */
MUST_CHECK enum rc coordinator_start_teller(struct coordinator *c, struct err *err);
void coordinator_stop_teller(struct coordinator *c);
void coordinator_tell(struct coordinator *c, struct coordinator_run *r);
void coordinator_end_hook(struct coordinator *c, struct coordinator_hook *hook);

/* coordinator_api.c; each answers x, now or when its event is recorded */
enum coordinator_kind {
    COORDINATOR_NOTHING,
    COORDINATOR_START,
    COORDINATOR_FLOWS,
    COORDINATOR_LIST,
    COORDINATOR_SHOW,
    COORDINATOR_EVENTS,
    COORDINATOR_CANCEL,
    COORDINATOR_METRICS,
    COORDINATOR_ADMIN,
};
void coordinator_handle(struct coordinator *c, struct http_exchange *x);
void coordinator_answer_error(struct coordinator *c, struct http_exchange *x,
                              const struct err *err);
/* {"id", "status"} of a run that was started or cancelled. */
void coordinator_answer_run(struct http_exchange *x, const char *id, enum run_status status,
                            int http_status);
/* Answers the watchers that have something to see, or have waited long enough. */
void coordinator_serve_watchers(struct coordinator *c, int64_t now_ms);

/* coordinator_metrics.c */
/* failure: type of the attempt's error; NULL: it was answered. */
void coordinator_count_call(struct coordinator *c, struct str team, const char *failure);
void coordinator_append_metrics(struct coordinator *c, struct buf *out); /* but for requests */

/* coordinator_view.c */
MUST_CHECK enum rc coordinator_append_run(struct coordinator *c, const struct run_row *row,
                                          struct arena *arena, struct buf *out, struct err *err);
void coordinator_append_row(struct json_writer *w, const struct run_row *row, int64_t now_ms);
void coordinator_append_event(struct buf *out, int64_t number, const struct run_event *event,
                              const struct spec_flow *flow);

#endif
