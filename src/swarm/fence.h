/*
 * fence.h - shuts a process in with its own team's files: what it may reach is a short list, and
 * the kernel refuses the rest, whatever runs inside.
 *
 *   files      Landlock: the list below, and nothing may be executed
 *   memory     not dumpable, and Landlock: no /proc/PID/mem, ptrace or process_vm_readv of a
 * process outside the fence; those outside cannot do it to us either, but for root sockets seccomp:
 * connect() is refused, since Landlock does not know UNIX sockets by path; a service only answers.
 * TCP besides: Landlock from ABI 4 on signals    Landlock from ABI 6 on (Linux 6.12): none to
 * processes outside privileges none can be gained; root's capabilities are given up
 *
 * For teams that share a user. Where each has its own (account.h), the kernel's oldest rules do.
 */
#ifndef SWARM_FENCE_H
#define SWARM_FENCE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* What is reachable: files, or folders with all that is below. What does not exist is passed over.
 */
struct fence {
    const char *const *writable; /* (n_writable,) to read, write, make and remove */
    size_t n_writable;
    const char *const *readable; /* (n_readable,) */
    size_t n_readable;
    const char *const
        *listable; /* (n_listable,) folders: their names, and not what is in the files */
    size_t n_listable;
};

/* RC_UNSUPPORTED: this kernel has no Landlock, or it is switched off. */
MUST_CHECK enum rc fence_check(struct err *err);

/**
 * Shuts the calling process in, for good, but for sockets. Threads that run already stay outside:
 * call it before the first. Open files stay open.
 *
 * @return RC_OK; RC_UNSUPPORTED as fence_check(); RC_IO: the kernel refused a step
 */
MUST_CHECK enum rc fence_enter(const struct fence *fence, struct err *err);

/**
 * Once what is to be listened on is open: no thread of the process makes a UNIX socket any more,
 * and unless it may call, no socket at all.
 *
 * @param may_call  whether it may connect to others, by IP
 *
 * @return RC_OK; RC_IO: the kernel refused
 */
MUST_CHECK enum rc fence_seal(bool may_call, struct err *err);

#endif
