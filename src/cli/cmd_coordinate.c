/* cmd_coordinate.c - shoal coordinate: runs of flows until SIGTERM. */
#include "cli/ask.h"
#include "cli/cmd.h"
#include "serve/coordinator.h"

#include <stdio.h>

enum { PORT_DEFAULT = 8090 };

static enum rc coordinate(struct cli *cli, const struct coordinator_config *config, struct err *err)
{
    CLEANUP(coordinator_closep) struct coordinator *coordinator = NULL;
    enum rc rc = coordinator_open(config, &coordinator, err);

    if (rc == RC_BUSY)
        cli_hint(cli, rc, "is a coordinator of this workspace running already?");
    if (rc == RC_EXISTS)
        cli_hint(cli, rc, "--port=0 takes a free one");
    if (rc == RC_INVALID)
        cli_hint(cli, rc, "shoal check shows every problem of the flows");
    if (rc == RC_NOT_FOUND)
        cli_hint(cli, rc, "docs/flow.md says where the coordinator finds the teams");
    if (rc)
        return rc;

    /* Whoever started us reads here when requests may come, and where. */
    printf("coordinator: http://%s:%u\n", config->host, coordinator_port(coordinator));
    if (fflush(stdout) != 0)
        return err_set(err, RC_IO, "cannot write to standard output");
    return coordinator_run(coordinator, err);
}

enum rc cmd_coordinate(struct cli *cli, struct err *err)
{
    const char *host = cli_option(cli, "host");
    struct coordinator_config config = { .http = http_server_config_default(),
                                         .host = host ? host : "127.0.0.1",
                                         .log = config_log(&cli->config) };
    enum rc rc = cli_port(cli, PORT_DEFAULT, &config.port, err);

    if (rc == RC_OK)
        rc = ask_config(cli, SERVE_COORDINATOR, &config.team, err);
    return rc ? rc : coordinate(cli, &config, err);
}
