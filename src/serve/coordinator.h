/*
 * coordinator.h - runs of flows: taken over HTTP, recorded, and carried out by the teams' services.
 *
 *   server's thread   requests in (http/http_server.h), calls to the teams out (http_caller.h)
 *   worker thread     owns the journal and the state of every run: takes what has come in, records
 *                     the events of all runs in one transaction, then acts on them
 *   webhook thread    tells those who want to know that a run has ended
 *
 *   POST /v1/flows/{flow}/runs      scope flow  {"input": {...}, "idempotency_key": "..."}
 *   GET  /v1/flows                  scope read
 *   GET  /v1/runs                   scope read  ?flow=, ?status=, ?overdue=true; the newest first
 *   GET  /v1/runs/{id}              scope read
 *   GET  /v1/runs/{id}/events       scope read  text/event-stream, from Last-Event-ID on
 *   POST /v1/runs/{id}/cancel       scope flow
 *   GET  /metrics                   scope read  Prometheus text
 *   GET  /live, /ready, /health     no key
 *   On the admin socket: the same without a key, and POST /admin/{operation} for keys (admin.h).
 *
 * Its files are a team's of the name SERVE_COORDINATOR (team.h), with runs.db beside record.db, and
 *
 *   <workspace>/.shoal/teams/coordinator/teams.json   where the teams are, mode 0600:
 *     {"support": {"url": "http://127.0.0.1:8101", "key": "slm1_..."}}
 *
 * url as in http_caller.h; the key has the scope flow.
 *
 * What a client may rely on (tests/e2e/story_flow*.py):
 *   (1) A run that was acknowledged is carried to its end, whatever is killed.
 *   (2) One idempotency key is one run; one step of it is one decision at its team.
 *   (3) What the journal holds of a team is what its contract lets cross.
 *   (4) The webhook is told at least once, with the run's id as Idempotency-Key.
 */
#ifndef SERVE_COORDINATOR_H
#define SERVE_COORDINATOR_H

#include "base/log.h"
#include "serve/http/http_server.h"
#include "serve/team.h"

#define SERVE_COORDINATOR       "coordinator"
#define SERVE_COORDINATOR_TEAMS "teams.json"

struct coordinator_config {
    struct serve_team_config team; /* team is SERVE_COORDINATOR */
    struct http_server_config http;
    const char *host;
    unsigned port; /* 0: the system chooses */
    struct log log;
};

struct coordinator;

/**
 * Opens the journal, reads the flows of the workspace, takes up the runs that have not ended.
 * A flow with errors is logged, and cannot be started; its runs go on by what they are pinned to.
 *
 * @return RC_OK
 *         RC_BUSY     another coordinator has the files
 *         RC_EXISTS   the port is in use
 *         RC_INVALID  shoal.yaml or teams.json has errors; the first is in the message
 */
MUST_CHECK enum rc coordinator_open(const struct coordinator_config *config,
                                    struct coordinator **ret_coordinator, struct err *err);
/* Until SIGTERM or SIGINT. What runs then goes on at the next start. */
MUST_CHECK enum rc coordinator_run(struct coordinator *coordinator, struct err *err);
void coordinator_close(struct coordinator *coordinator); /* after run; accepts NULL */
DEFINE_FREEP(struct coordinator, coordinator_close)

unsigned coordinator_port(const struct coordinator *coordinator);

#endif
