#include "swarm/supervisor.h"

#include "base/fs.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATE_BYTES_MAX = 1 << 20, LINE_MAX_BYTES = 512, ADDRESS_MAX = 128, STATUS_NO_START = 127 };
enum { PIPE_BYTES = 64 << 10, HEAR_BYTES = 4096 };

enum phase { STARTING, RUNNING, WAITING, ENDED };

struct child {
    const struct supervisor_process *process;
    enum phase phase;
    pid_t pid; /* STARTING, RUNNING */
    int out;   /* its standard output; -1: closed */
    int log;
    unsigned starts, backoff_ms;
    int64_t started_us, due_us; /* due: WAITING */
    char address[ADDRESS_MAX];
    char ended[64]; /* how it ended the last time; "": it has not */
    char line[LINE_MAX_BYTES];
    size_t line_len;
};

struct supervisor {
    const struct supervisor_config *config;
    struct child children[SUPERVISOR_PROCESSES_MAX];
    sigset_t callers_mask;
    int signals; /* signalfd */
    bool stopping, had_to_kill;
    int64_t kill_us; /* stopping: when patience ends */
};

static int64_t now_us(const struct supervisor *s)
{
    return s->config->log.clock.monotonic_us(s->config->log.clock.self);
}

/* ---- the state */

static void append_child(struct json_writer *w, const struct child *c)
{
    static const char *const phases[] = { "starting", "running", "waiting", "ended" };

    json_begin_object(w);
    json_key(w, "name");
    json_text(w, c->process->name);
    json_key(w, "state");
    json_text(w, phases[c->phase]);
    json_key(w, "pid");
    json_i64(w, c->pid);
    json_key(w, "address");
    json_text(w, c->address[0] ? c->address : NULL);
    json_key(w, "starts");
    json_i64(w, c->starts);
    json_key(w, "ended");
    json_text(w, c->ended[0] ? c->ended : NULL);
    json_end_object(w);
}

static enum rc write_state(struct supervisor *s, struct err *err)
{
    CLEANUP(buf_releasep) struct buf text = { 0 };
    struct json_writer w;

    buf_init(&text, STATE_BYTES_MAX);
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_key(&w, "processes");
    json_begin_array(&w);
    for (size_t i = 0; i < s->config->n; i++)
        append_child(&w, &s->children[i]);
    json_end_array(&w);
    json_end_object(&w);
    enum rc rc = buf_rc(&text, "state", err);
    return rc ? rc : fs_write_atomic(s->config->state, text.at, text.len, 0600, err);
}

/* Once processes run, a full disk is no reason to stop them. */
static void note_state(struct supervisor *s)
{
    struct err err;

    if (write_state(s, &err))
        log_printf(&s->config->log, LOG_LEVEL_ERROR, "%s", err.message);
}

/* ---- starting */

static _Noreturn void become_process(const struct supervisor *s, const struct child *c, int out)
{
    const char *const *arguments = c->process->arguments;
    int null = open("/dev/null", O_RDONLY);
    struct err err;

    sigprocmask(SIG_SETMASK, &s->callers_mask, NULL);
    dup2(null, 0);
    dup2(out, 1);
    dup2(c->log, 2);
    if (c->process->user != ACCOUNT_OURS && account_become(c->process->user, &err)) {
        dprintf(2, "%s\n", err.message);
        _exit(STATUS_NO_START);
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* changing the user would have cleared it */
    execve(arguments[0], (char *const *)arguments, (char *const *)c->process->environment);
    dprintf(2, "cannot run '%s': %s\n", arguments[0], strerrordesc_np(errno));
    _exit(STATUS_NO_START);
}

static void wait_a_while(struct supervisor *s, struct child *c)
{
    int64_t now = now_us(s);

    if (now - c->started_us > (int64_t)SUPERVISOR_STEADY_MS * 1000)
        c->backoff_ms = SUPERVISOR_BACKOFF_FIRST_MS;
    c->phase = WAITING;
    c->due_us = now + (int64_t)c->backoff_ms * 1000;
    log_printf(&s->config->log, LOG_LEVEL_WARNING, "%s %s; it starts again in %u ms",
               c->process->name, c->ended, c->backoff_ms);
    c->backoff_ms = c->backoff_ms * 2 < SUPERVISOR_BACKOFF_MAX_MS ? c->backoff_ms * 2
                                                                  : SUPERVISOR_BACKOFF_MAX_MS;
}

static void start(struct supervisor *s, struct child *c)
{
    int out[2];

    c->starts++;
    c->started_us = now_us(s);
    c->line_len = 0;
    if (pipe2(out, O_CLOEXEC) != 0) {
        snprintf(c->ended, sizeof(c->ended), "got no pipe");
        wait_a_while(s, c);
        return;
    }
    c->pid = fork();
    if (c->pid == 0)
        become_process(s, c, out[1]);
    close(out[1]);
    if (c->pid < 0) {
        close(out[0]);
        c->pid = 0;
        snprintf(c->ended, sizeof(c->ended), "got no process");
        wait_a_while(s, c);
        return;
    }
    c->out = out[0];
    c->phase = STARTING;
    log_printf(&s->config->log, LOG_LEVEL_INFO, "%s starts as process %d", c->process->name,
               (int)c->pid);
}

/* ---- what they say */

/* "team support: http://127.0.0.1:8101" */
static void read_line(struct supervisor *s, struct child *c)
{
    c->line[c->line_len] = '\0';
    const char *address = strstr(c->line, "http://");
    if (c->phase != STARTING || !address || strlen(address) >= sizeof(c->address) ||
        strchr(address, ' '))
        return;
    snprintf(c->address, sizeof(c->address), "%s", address);
    c->phase = RUNNING;
    log_printf(&s->config->log, LOG_LEVEL_INFO, "%s is at %s", c->process->name, c->address);
    note_state(s);
}

static void hear(struct supervisor *s, struct child *c)
{
    char bytes[HEAR_BYTES];
    ssize_t n = read(c->out, bytes, sizeof(bytes));

    if (n <= 0) {
        close(c->out);
        c->out = -1;
        return;
    }
    ssize_t ignored = write(c->log, bytes, (size_t)n); /* a log that is lost stops nobody */
    (void)ignored;
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] == '\n') {
            read_line(s, c);
            c->line_len = 0;
        } else if (c->line_len + 1 < sizeof(c->line)) {
            c->line[c->line_len++] = bytes[i];
        }
    }
}

/* What it said before it ended may be in the pipe still: at most as much as a pipe holds, since a
 * process that it left behind may go on talking. */
static void hear_last_words(struct supervisor *s, struct child *c)
{
    for (size_t heard = 0; heard < PIPE_BYTES && c->out >= 0; heard += HEAR_BYTES) {
        struct pollfd ready = { .fd = c->out, .events = POLLIN };

        if (poll(&ready, 1, 0) <= 0)
            return;
        hear(s, c);
    }
}

/* ---- ends */

static void note_end(struct supervisor *s, struct child *c, int status)
{
    if (WIFSIGNALED(status))
        snprintf(c->ended, sizeof(c->ended), "was killed by signal %d", WTERMSIG(status));
    else
        snprintf(c->ended, sizeof(c->ended), "ended with status %d", WEXITSTATUS(status));
    c->pid = 0;
    hear_last_words(s, c);
    if (c->out >= 0)
        close(c->out);
    c->out = -1;
    if (s->stopping) {
        c->phase = ENDED;
        log_printf(&s->config->log, LOG_LEVEL_INFO, "%s %s", c->process->name, c->ended);
    } else {
        wait_a_while(s, c);
    }
    note_state(s);
}

static void reap(struct supervisor *s)
{
    int status;

    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (size_t i = 0; i < s->config->n; i++)
            if (s->children[i].pid == pid)
                note_end(s, &s->children[i], status);
}

static void signal_all(struct supervisor *s, int sign)
{
    for (size_t i = 0; i < s->config->n; i++)
        if (s->children[i].pid > 0)
            kill(s->children[i].pid, sign);
}

static void stop(struct supervisor *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    s->kill_us = now_us(s) + (int64_t)s->config->stop_ms * 1000;
    signal_all(s, SIGTERM);
    for (size_t i = 0; i < s->config->n; i++)
        if (s->children[i].phase == WAITING)
            s->children[i].phase = ENDED;
}

static void take_signals(struct supervisor *s)
{
    struct signalfd_siginfo info;

    while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            reap(s);
        else
            stop(s);
    }
}

/* ---- the loop */

static bool all_ended(const struct supervisor *s)
{
    for (size_t i = 0; i < s->config->n; i++)
        if (s->children[i].phase != ENDED)
            return false;
    return true;
}

static void do_what_is_due(struct supervisor *s)
{
    int64_t now = now_us(s);

    for (size_t i = 0; i < s->config->n; i++) {
        struct child *c = &s->children[i];
        if (c->phase == WAITING && c->due_us <= now) {
            start(s, c);
            note_state(s);
        }
    }
    if (s->stopping && now >= s->kill_us && !s->had_to_kill) {
        s->had_to_kill = true;
        signal_all(s, SIGKILL);
    }
}

/* Milliseconds until something is due; -1: nothing is. */
static int patience_ms(const struct supervisor *s)
{
    int64_t first_us = s->stopping && !s->had_to_kill ? s->kill_us : INT64_MAX;

    for (size_t i = 0; i < s->config->n; i++)
        if (s->children[i].phase == WAITING && s->children[i].due_us < first_us)
            first_us = s->children[i].due_us;
    if (first_us == INT64_MAX)
        return -1;
    int64_t left_us = first_us - now_us(s);
    return left_us > 0 ? (int)(left_us / 1000) + 1 : 0;
}

static void watch(struct supervisor *s)
{
    struct pollfd ready[SUPERVISOR_PROCESSES_MAX + 1];

    while (!all_ended(s)) {
        ready[0] = (struct pollfd){ .fd = s->signals, .events = POLLIN };
        for (size_t i = 0; i < s->config->n; i++)
            ready[i + 1] = (struct pollfd){ .fd = s->children[i].out, .events = POLLIN };
        if (poll(ready, s->config->n + 1, patience_ms(s)) < 0 && errno != EINTR)
            stop(s);
        for (size_t i = 0; i < s->config->n; i++)
            if (ready[i + 1].revents && s->children[i].out >= 0)
                hear(s, &s->children[i]);
        take_signals(s);
        do_what_is_due(s);
    }
}

static enum rc prepare(struct supervisor *s, struct err *err)
{
    sigset_t mask;

    for (size_t i = 0; i < s->config->n; i++) {
        struct child *c = &s->children[i];
        c->process = &s->config->processes[i];
        c->phase = WAITING; /* due at once */
        c->backoff_ms = SUPERVISOR_BACKOFF_FIRST_MS;
        c->out = -1;
        c->log = open(c->process->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (c->log < 0)
            return err_set(err, RC_IO, "open '%.150s': %s", c->process->log,
                           strerrordesc_np(errno));
    }
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigprocmask(SIG_BLOCK, &mask, &s->callers_mask);
    s->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->signals < 0)
        return err_set(err, RC_UNAVAILABLE, "signalfd: %s", strerrordesc_np(errno));
    return write_state(s, err);
}

enum rc supervisor_run(const struct supervisor_config *config, struct err *err)
{
    struct supervisor s = { .config = config, .signals = -1 };
    struct err ignored;

    ASSERT(config->n >= 1 && config->n <= SUPERVISOR_PROCESSES_MAX);
    enum rc rc = prepare(&s, err);
    if (!rc) {
        watch(&s);
        IGNORE_RC(fs_remove(config->state, &ignored)); /* nothing runs: who asks finds no lock */
        sigprocmask(SIG_SETMASK, &s.callers_mask, NULL);
        if (s.had_to_kill)
            rc = err_set(err, RC_TIMEOUT, "some processes had to be killed");
    }
    for (size_t i = 0; i < config->n; i++)
        if (s.children[i].process && s.children[i].log >= 0)
            close(s.children[i].log);
    if (s.signals >= 0)
        close(s.signals);
    return rc;
}
