#include "cli/compute.h"

enum rc compute_cpu(struct cli *cli, enum cpu *ret_cpu, struct err *err)
{
    enum cpu best = cpu_best();
    enum cpu cpu = best;

    if (!cpu_parse(str_of(cli->config.cpu), &cpu))
        cpu = best; /* "auto" */
    if (cpu > best) {
        cli_hint(cli, RC_OK, "the best row of this machine is %s", cpu_name(best));
        return err_set(err, RC_UNSUPPORTED, "this processor cannot run --cpu=%s", cpu_name(cpu));
    }
    *ret_cpu = cpu;
    return RC_OK;
}

enum rc compute_kernels(struct cli *cli, struct kernels *ret_kernels, struct err *err)
{
    enum cpu cpu = CPU_SCALAR;
    enum rc rc = compute_cpu(cli, &cpu, err);

    if (rc == RC_OK)
        kernels_init(ret_kernels, cpu);
    return rc;
}

enum rc compute_pool(struct cli *cli, struct pool **ret_pool, struct err *err)
{
    struct pool *pool = NULL;
    enum rc rc = cli->config.threads > 1 ? pool_new(cli->config.threads, &pool, err) : RC_OK;

    if (rc == RC_OK)
        *ret_pool = pool;
    return rc;
}
