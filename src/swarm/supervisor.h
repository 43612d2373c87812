/*
 * supervisor.h - keeps processes running: starts them, writes down what they say, starts them again
 * when they end, and stops them together.
 *
 *   starting --says its address--> running --ends--> waiting --back-off--> starting ...
 *
 * A process says on standard output that it may be used, and where: a line whose last word is its
 * address, "team support: http://127.0.0.1:8101". The back-off doubles from BACKOFF_FIRST to
 * BACKOFF_MAX and is forgotten once a process has run for STEADY. When the supervisor dies, its
 * processes get SIGTERM.
 *
 * The state is a file, rewritten at each change and removed at the end:
 *   {"processes":[{"name":"support","state":"running","pid":71,"address":"http://127.0.0.1:8101",
 *                  "starts":2,"ended":"was killed by signal 9"}]}
 */
#ifndef SWARM_SUPERVISOR_H
#define SWARM_SUPERVISOR_H

#include "base/log.h"
#include "swarm/account.h"

enum {
    SUPERVISOR_PROCESSES_MAX = 64,
    SUPERVISOR_ARGUMENTS_MAX = 32,
    SUPERVISOR_BACKOFF_FIRST_MS = 200,
    SUPERVISOR_BACKOFF_MAX_MS = 30000,
    SUPERVISOR_STEADY_MS = 60000,
    SUPERVISOR_STOP_MS = 30000, /* from SIGTERM to SIGKILL: more than a service needs to drain */
};

struct supervisor_process {
    const char *name;
    const char *const *arguments;   /* NULL at the end; the first is the program's path */
    const char *const *environment; /* NULL at the end */
    uid_t user;                     /* or ACCOUNT_OURS */
    const char *log;                /* path; what the process says is put behind what is there */
};

struct supervisor_config {
    const struct supervisor_process *processes; /* (n,), started in this order */
    size_t n;                                   /* 1 to SUPERVISOR_PROCESSES_MAX */
    const char *state;                          /* path */
    struct log log;                             /* starts and ends */
    unsigned stop_ms;
};

/**
 * Runs until SIGTERM or SIGINT, then stops the processes.
 *
 * @return RC_OK       all have ended by themselves
 *         RC_TIMEOUT  some had to be killed
 *         RC_IO, RC_FULL, RC_NOMEM, RC_UNAVAILABLE  (before anything was started)
 */
MUST_CHECK enum rc supervisor_run(const struct supervisor_config *config, struct err *err);

#endif
