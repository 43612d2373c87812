/* fence.c - the system calls behind it; libraries and headers for them are younger than the
 * distributions that we run on, so the numbers are here. */
#include "swarm/fence.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Documentation/userspace-api/landlock.rst: the numbers of the calls, of the rights and of the
 * scopes, and the first ABI that knows them. */
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 };
enum { ASK_FOR_ABI = 1, RULE_PATH_BENEATH = 1 };
enum {
    READ_FILE = 1 << 2,
    READ_DIR = 1 << 3,
    RIGHTS_ABI_1 = (1 << 13) - 1,
    REFER_ABI_2 = 1 << 13,
    TRUNCATE_ABI_3 = 1 << 14,
    EXECUTE = 1 << 0,
    WRITE_FILE = 1 << 1,
    FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE_ABI_3,
    SCOPES_ABI_6 = 3, /* abstract UNIX sockets, signals */
};

struct ruleset {
    uint64_t files, ports, scopes;
};

struct path_rule {
    uint64_t rights;
    int32_t fd;
} __attribute__((packed));

static enum rc fail(const char *what, struct err *err)
{
    return err_set(err, RC_IO, "fence: %s: %s", what, strerrordesc_np(errno));
}

static long landlock_abi(void)
{
    return syscall(CREATE_RULESET, NULL, 0, ASK_FOR_ABI);
}

enum rc fence_check(struct err *err)
{
    if (landlock_abi() < 1)
        return err_set(err, RC_UNSUPPORTED, "this kernel has no Landlock, or it is switched off");
    return RC_OK;
}

static uint64_t known_rights(long abi)
{
    return (uint64_t)RIGHTS_ABI_1 | (abi >= 2 ? REFER_ABI_2 : 0) | (abi >= 3 ? TRUNCATE_ABI_3 : 0);
}

static enum rc allow(int ruleset, const char *path, uint64_t rights, struct err *err)
{
    struct path_rule rule = { .fd = open(path, O_PATH | O_CLOEXEC) };
    struct stat st;

    if (rule.fd < 0)
        return errno == ENOENT ? RC_OK : fail(path, err);
    bool is_folder = fstat(rule.fd, &st) == 0 && S_ISDIR(st.st_mode);
    rule.rights = is_folder ? rights : rights & FILE_RIGHTS;
    bool failed = syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0) != 0;
    enum rc rc = failed ? fail(path, err) : RC_OK;
    close(rule.fd);
    return rc;
}

static enum rc allow_all(int ruleset, const struct fence *fence, uint64_t known, struct err *err)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < fence->n_writable && !rc; i++)
        rc = allow(ruleset, fence->writable[i], known & ~(uint64_t)EXECUTE, err);
    for (size_t i = 0; i < fence->n_readable && !rc; i++)
        rc = allow(ruleset, fence->readable[i], READ_FILE | READ_DIR, err);
    for (size_t i = 0; i < fence->n_listable && !rc; i++)
        rc = allow(ruleset, fence->listable[i], READ_DIR, err);
    return rc;
}

static enum rc restrict_files(const struct fence *fence, struct err *err)
{
    long abi = landlock_abi();
    struct ruleset attributes = { .files = known_rights(abi),
                                  .scopes = abi >= 6 ? SCOPES_ABI_6 : 0 };
    int ruleset = (int)syscall(CREATE_RULESET, &attributes, sizeof(attributes), 0);

    if (ruleset < 0)
        return fail("ruleset", err);
    enum rc rc = allow_all(ruleset, fence, attributes.files, err);
    if (!rc && syscall(RESTRICT_SELF, ruleset, 0) != 0)
        rc = fail("Landlock", err);
    close(ruleset);
    return rc;
}

/* Root without capabilities is a user like others, who owns many files. */
static enum rc drop_capabilities(struct err *err)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

    return syscall(SYS_capset, &header, none) == 0 ? RC_OK : fail("capabilities", err);
}

enum rc fence_enter(const struct fence *fence, struct err *err)
{
    enum rc rc = fence_check(err);

    if (!rc && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        rc = fail("privileges", err);
    if (!rc && prctl(PR_SET_DUMPABLE, 0) != 0)
        rc = fail("dumpable", err);
    if (!rc)
        rc = restrict_files(fence, err);
    if (!rc)
        rc = drop_capabilities(err);
    return rc;
}

/* io_uring has calls of its own for the same; the other ABIs of an x86-64 kernel, whose numbers
 * differ, are refused as a whole. */
enum rc fence_seal(bool may_call, struct err *err)
{
#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define IF(op, k)    BPF_JUMP(BPF_JMP | (op) | BPF_K, (k), 0, 1)
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define REFUSE       RETURN(SECCOMP_RET_ERRNO | EPERM)
    enum { X32_BIT = 0x40000000, NO_CALL = X32_BIT - 1 };
    struct sock_filter filter[] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),
        IF(BPF_JGE, X32_BIT),
        REFUSE,
        IF(BPF_JEQ, SYS_io_uring_setup),
        REFUSE,
        IF(BPF_JEQ, may_call ? NO_CALL : SYS_connect),
        REFUSE,
        IF(BPF_JEQ, may_call ? NO_CALL : SYS_socket), /* datagrams need no connect() */
        REFUSE,
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
        LOAD(args[0]), /* the lower half, on a little-endian machine */
        IF(BPF_JEQ, AF_UNIX),
        REFUSE,
        RETURN(SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { ARRAY_LEN(filter), filter };

    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        return fail("seccomp", err);
    return RC_OK;
}
