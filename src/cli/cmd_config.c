#include "cli/cmd.h"

enum rc cmd_config(struct cli *cli, struct err *err)
{
    CLEANUP(buf_releasep) struct buf out = { 0 };

    buf_init(&out, CLI_OUTPUT_BYTES_MAX);
    if (cli_option(cli, "markdown")) {
        config_append_markdown(&out);
    } else if (cli->config.json) {
        struct json_writer w;

        json_writer_init(&w, &out);
        config_append_json(&cli->config, &w);
    } else {
        config_append_values(&cli->config, &out);
    }
    return cli_print(&out, err);
}
