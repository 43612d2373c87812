/* coordinator_hook.c - a thread that tells webhooks of ends: libcurl blocks, and receivers may be
 * slow. */
#include "base/failpoint.h"
#include "base/mem.h"
#include "serve/coordinator_internal.h"

#include <stdio.h>

enum { BACKOFF_FIRST_MS = 1000, BACKOFF_DOUBLINGS_MAX = 10, HOOK_BYTES_MAX = RUN_BODY_MAX + 4096 };

static void free_hook(struct coordinator_hook *hook)
{
    buf_release(&hook->body);
    mem_free(hook);
}

static void post(struct coordinator_hook *hook)
{
    struct err ignored; /* it is tried again, whatever the reason */
    int status = 0;
    enum rc rc = http_client_post(hook->url, hook->run, buf_str(&hook->body), &status, &ignored);

    hook->told = !rc && status >= 200 && status < 300;
    FAILPOINT("coordinator.told");
}

static void *tell(void *self)
{
    struct coordinator *c = self;

    pthread_mutex_lock(&c->hook_mutex);
    for (;;) {
        while (!c->hooks && !c->hooks_closed)
            pthread_cond_wait(&c->hook_wake, &c->hook_mutex);
        if (c->hooks_closed)
            break;
        struct coordinator_hook *hook = c->hooks;
        c->hooks = hook->next;
        if (!c->hooks)
            c->hooks_end = &c->hooks;
        pthread_mutex_unlock(&c->hook_mutex);

        post(hook);
        pthread_mutex_lock(&c->mutex);
        hook->next = c->hooks_done;
        c->hooks_done = hook;
        pthread_cond_signal(&c->wake);
        pthread_mutex_unlock(&c->mutex);
        pthread_mutex_lock(&c->hook_mutex);
    }
    pthread_mutex_unlock(&c->hook_mutex);
    return NULL;
}

enum rc coordinator_start_teller(struct coordinator *c, struct err *err)
{
    if (pthread_create(&c->teller, NULL, tell, c))
        return err_set(err, RC_UNAVAILABLE, "the system gives no thread");
    c->teller_runs = true;
    return RC_OK;
}

void coordinator_stop_teller(struct coordinator *c)
{
    if (c->teller_runs) {
        pthread_mutex_lock(&c->hook_mutex);
        c->hooks_closed = true;
        pthread_cond_signal(&c->hook_wake);
        pthread_mutex_unlock(&c->hook_mutex);
        pthread_join(c->teller, NULL);
    }
    for (struct coordinator_hook *hook = c->hooks, *next; hook; hook = next) {
        next = hook->next;
        free_hook(hook);
    }
    for (struct coordinator_hook *hook = c->hooks_done, *next; hook; hook = next) {
        next = hook->next;
        free_hook(hook);
    }
}

/* {"id", "flow", <the members of its end>} */
static void append_body(struct buf *out, const struct run *run)
{
    struct str end = run_end(run);
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "id");
    json_text(&w, run_id(run));
    json_key(&w, "flow");
    json_string(&w, run_flow(run)->name.text);
    ASSERT(end.len > 2);
    buf_append_char(out, ',');
    buf_append(out, end.at + 1, end.len - 1); /* with its closing brace */
}

void coordinator_tell(struct coordinator *c, struct coordinator_run *r)
{
    struct coordinator_hook *hook = r->telling ? NULL : mem_alloc(sizeof(*hook));
    const struct spec_flow *flow = run_flow(r->run);

    if (r->telling)
        return;
    if (!hook) {
        coordinator_wake_at(c, r, coordinator_now_ms(c) + BACKOFF_FIRST_MS);
        return;
    }
    snprintf(hook->url, sizeof(hook->url), "%.*s", STR_ARG(flow->webhook.text));
    buf_init(&hook->body, HOOK_BYTES_MAX);
    append_body(&hook->body, r->run);
    memcpy(hook->run, run_id(r->run), strlen(run_id(r->run)) + 1);
    r->telling = true;
    pthread_mutex_lock(&c->hook_mutex);
    *c->hooks_end = hook;
    c->hooks_end = &hook->next;
    pthread_cond_signal(&c->hook_wake);
    pthread_mutex_unlock(&c->hook_mutex);
}

void coordinator_end_hook(struct coordinator *c, struct coordinator_hook *hook)
{
    struct coordinator_run *r = coordinator_find(c, hook->run);
    int64_t now_ms = coordinator_now_ms(c);

    if (r) {
        r->telling = false;
        if (hook->told) {
            r->pending = (struct run_event){ .kind = RUN_EVENT_TOLD, .at_ms = now_ms };
            r->has_pending = true;
            coordinator_touch(c, r);
        } else {
            r->n_untold += r->n_untold < BACKOFF_DOUBLINGS_MAX;
            coordinator_wake_at(c, r, now_ms + ((int64_t)BACKOFF_FIRST_MS << (r->n_untold - 1)));
        }
    }
    free_hook(hook);
}
