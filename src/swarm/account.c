#include "swarm/account.h"

#include "base/crypto.h"
#include "base/str.h"

#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FOLDERS_OPEN_MAX = 16, STATUS_NO_CHANGE = 255 };

static enum rc fail(const char *what, const char *path, struct err *err)
{
    return err_set(err, RC_IO, "%s '%.150s': %s", what, path, strerrordesc_np(errno));
}

static bool is_ours(uid_t user)
{
    return user >= ACCOUNT_FIRST && user - ACCOUNT_FIRST < ACCOUNT_COUNT;
}

static bool is_among(const uid_t *users, size_t n, uid_t user)
{
    for (size_t i = 0; i < n; i++)
        if (users[i] == user)
            return true;
    return false;
}

enum rc account_choose(const char *folder, const uid_t *taken, size_t n, uid_t *ret_user,
                       struct err *err)
{
    struct digest digest;
    struct stat st;

    if (stat(folder, &st) != 0)
        return fail("look at", folder, err);
    if (is_ours(st.st_uid) && !is_among(taken, n, st.st_uid)) {
        *ret_user = st.st_uid;
        return RC_OK;
    }
    enum rc rc = sha256_of(folder, strlen(folder), &digest, err);
    if (rc)
        return rc;
    digest.hex[15] = '\0';
    uint64_t at = strtoull(digest.hex, NULL, 16);
    do
        *ret_user = ACCOUNT_FIRST + (uid_t)(at++ % ACCOUNT_COUNT);
    while (is_among(taken, n, *ret_user));
    return RC_OK;
}

/* nftw() has no context. */
static _Thread_local uid_t new_owner;

static int change_owner(const char *path, const struct stat *st, int type, struct FTW *at)
{
    /* a second name of a file that lies elsewhere: it is not ours to give */
    bool is_elsewhere = type == FTW_F && st->st_nlink > 1;

    (void)at;
    if (type == FTW_DNR || type == FTW_NS)
        return -1;
    return st->st_uid == new_owner || is_elsewhere ? 0 : lchown(path, new_owner, (gid_t)new_owner);
}

enum rc account_hand_over(const char *folder, uid_t user, struct err *err)
{
    new_owner = user;
    if (chmod(folder, 0700) != 0)
        return fail("close", folder, err);
    if (nftw(folder, change_owner, FOLDERS_OPEN_MAX, FTW_PHYS | FTW_MOUNT) != 0)
        return fail("hand over", folder, err);
    return RC_OK;
}

enum rc account_become(uid_t user, struct err *err)
{
    gid_t group = (gid_t)user;

    if (setgroups(0, NULL) != 0 || setresgid(group, group, group) != 0 ||
        setresuid(user, user, user) != 0)
        return err_set(err, RC_IO, "become user %u: %s", (unsigned)user, strerrordesc_np(errno));
    if (setuid(0) == 0)
        return err_set(err, RC_IO, "user %u can become root again", (unsigned)user);
    return RC_OK;
}

enum rc account_check(uid_t user, const char *const *paths, size_t n, struct err *err)
{
    struct err ignored; /* the child's status says it */
    size_t i = 0;
    int status;

    ASSERT(n < STATUS_NO_CHANGE);
    pid_t child = fork();
    if (child < 0)
        return err_set(err, RC_UNAVAILABLE, "the system gives no process");
    if (child == 0) {
        if (account_become(user, &ignored))
            _exit(STATUS_NO_CHANGE);
        while (i < n && access(paths[i], R_OK) == 0)
            i++;
        _exit((int)i);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!WIFEXITED(status) || WEXITSTATUS(status) == STATUS_NO_CHANGE)
        return err_set(err, RC_UNSUPPORTED, "this process may not change to another user");
    i = (size_t)WEXITSTATUS(status);
    if (i < n)
        return err_set(err, RC_DENIED, "'%.150s' cannot be reached by other users", paths[i]);
    return RC_OK;
}
