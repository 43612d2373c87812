/* cmd_serve.c - shoal serve: a team's SLMs behind HTTP until SIGTERM. */
#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/shut_in.h"
#include "serve/team_service.h"

#include <stdio.h>
#include <string.h>

enum { PORT_DEFAULT = 8080 };

static enum rc serve(struct cli *cli, const struct team_service_config *config, struct err *err)
{
    CLEANUP(team_service_closep) struct team_service *service = NULL;
    enum rc rc = team_service_open(config, &service, err);

    if (rc == RC_BUSY)
        cli_hint(cli, rc, "is the service of team '%s' running already?", config->team.team);
    if (rc == RC_EXISTS)
        cli_hint(cli, rc, "--port=0 takes a free one");
    if (rc == RC_OK)
        rc = shut_in_seal(cli, false, err);
    if (rc)
        return rc;

    /* Whoever started us reads here when requests may come, and where. */
    printf("team %s: http://%s:%u\n", config->team.team, config->host, team_service_port(service));
    if (fflush(stdout) != 0)
        return err_set(err, RC_IO, "cannot write to standard output");
    return team_service_run(service, err);
}

enum rc cmd_serve(struct cli *cli, struct err *err)
{
    const char *team = cli_option(cli, "team");
    const char *host = cli_option(cli, "host");
    struct team_service_config config = { .http = http_server_config_default(),
                                          .host = host ? host : "127.0.0.1",
                                          .n_threads = cli->config.threads,
                                          .log = config_log(&cli->config) };
    enum rc rc;

    if (!team)
        return cli_usage(cli, err, "serve needs --team=TEAM");
    rc = cli_port(cli, PORT_DEFAULT, &config.port, err);
    if (rc == RC_OK)
        rc = ask_config(cli, team, &config.team, err);
    if (rc == RC_OK)
        rc = shut_in(cli, &config.team, &(struct fence){ 0 }, err);
    return rc ? rc : serve(cli, &config, err);
}
