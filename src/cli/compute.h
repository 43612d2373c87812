/* compute.h - the settings --cpu and --threads as what the engine takes. */
#ifndef CLI_COMPUTE_H
#define CLI_COMPUTE_H

#include "base/pool.h"
#include "cli/cli.h"
#include "engine/kernels/kernels.h"

/* RC_UNSUPPORTED: this processor does not have the row that --cpu asks for. */
MUST_CHECK enum rc compute_cpu(struct cli *cli, enum cpu *ret_cpu, struct err *err);
MUST_CHECK enum rc compute_kernels(struct cli *cli, struct kernels *ret_kernels, struct err *err);

/* NULL with --threads=1; the caller frees it. */
MUST_CHECK enum rc compute_pool(struct cli *cli, struct pool **ret_pool, struct err *err);

#endif
