/* Two teams' processes side by side: what one of them tries on the other, with and without a
 * boundary between them. Without one every attempt succeeds, so each of them is a real one. */
#include "tests/support/temp.h"

#include "swarm/account.h"
#include "swarm/fence.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    READ_A_FILE = 1,
    LIST_A_FOLDER = 2,
    WRITE_A_FILE = 4,
    REMOVE_A_FILE = 8,
    CONNECT_TO_A_SOCKET = 16,
    READ_MEMORY_BY_PROC = 32,
    ATTACH = 64,
    RUN_A_PROGRAM = 128, /* with nothing to gain for a user of its own, so allowed there */
    READ_MEMORY_BY_CALL = 256,
    LIST_OPEN_FILES = 512,
    TAKE_AN_OPEN_FILE = 1024,
    READ_ENVIRONMENT = 2048,
    SEND_A_DATAGRAM = 4096, /* a user of its own may */
    ALL = 8191,
    FAILED_TO_ENTER = 8192,
};

struct teams {
    struct temp_dir dir;
    char ours[TEMP_PATH_MAX], theirs[TEMP_PATH_MAX];
    char secret[TEMP_PATH_MAX], socket[TEMP_PATH_MAX];
    int listener;
    char *memory; /* their secret, at the same address in every process */
    pid_t them;
};

static uid_t user_of(unsigned team)
{
    return ACCOUNT_FIRST + team;
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void listen_at(struct teams *t)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", t->socket);
    t->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(t->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(t->listener, 5), 0);
}

static int set_up(void **state)
{
    struct teams *t = test_calloc(1, sizeof(*t));

    temp_dir_make(&t->dir);
    assert_int_equal(chmod(t->dir.path, 0711), 0);
    temp_path(&t->dir, "ours", t->ours);
    temp_path(&t->dir, "theirs", t->theirs);
    temp_path(&t->dir, "theirs/secret", t->secret);
    temp_path(&t->dir, "theirs/sock", t->socket);
    assert_int_equal(mkdir(t->ours, 0700) | mkdir(t->theirs, 0700), 0);
    write_text(t->secret, "theirs");
    listen_at(t);
    t->memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(t->memory != MAP_FAILED);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct teams *t = *state;

    if (t->them > 0) {
        kill(t->them, SIGKILL);
        waitpid(t->them, NULL, 0);
    }
    close(t->listener);
    munmap(t->memory, 4096);
    temp_dir_remove(&t->dir);
    test_free(t);
    return 0;
}

/* ---- the two processes; what they enter is a user, a fence, both or nothing */

struct boundary {
    bool users, fence;
};

static bool enter(const struct boundary *b, unsigned team, const char *folder)
{
    struct fence fence = { .writable = &folder, .n_writable = 1 };
    struct err err;

    if (b->users && account_become(user_of(team), &err))
        return false;
    return !b->fence || (fence_enter(&fence, &err) == RC_OK && fence_seal(false, &err) == RC_OK);
}

/* They have a secret in memory and wait. */
static void start_them(struct teams *t, const struct boundary *b)
{
    int ready[2];
    char byte;

    assert_int_equal(pipe(ready), 0);
    t->them = fork();
    if (t->them == 0) {
        strcpy(t->memory, "their secret");
        prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); /* where Yama asks for it */
        byte = enter(b, 2, t->theirs) ? 'y' : 'n';
        if (write(ready[1], &byte, 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    close(ready[0]);
    close(ready[1]);
}

static bool can_open(const char *path, int flags)
{
    int fd = open(path, flags);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool can_connect(const struct teams *t)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", t->socket);
    bool connected = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return connected;
}

static bool can_read_memory(const struct teams *t)
{
    char path[64], text[16] = "";
    bool found = false;

    snprintf(path, sizeof(path), "/proc/%d/mem", (int)t->them);
    int fd = open(path, O_RDONLY);
    if (fd >= 0) {
        found = pread(fd, text, 12, (off_t)(uintptr_t)t->memory) == 12 &&
                memcmp(text, "their secret", 12) == 0;
        close(fd);
    }
    return found;
}

static bool can_read_memory_by_call(const struct teams *t)
{
    char text[12];
    struct iovec here = { text, sizeof(text) }, there = { t->memory, sizeof(text) };

    return process_vm_readv(t->them, &here, 1, &there, 1, 0) == sizeof(text) &&
           memcmp(text, "their secret", sizeof(text)) == 0;
}

static bool can_open_of_theirs(const struct teams *t, const char *name, int flags)
{
    char path[64], byte;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)t->them, name);
    int fd = open(path, flags);
    bool opened = fd >= 0 && (flags & O_DIRECTORY || read(fd, &byte, 1) >= 0);
    if (fd >= 0)
        close(fd);
    return opened;
}

/* Their copy of the listening socket. */
static bool can_take_an_open_file(const struct teams *t)
{
    int them = (int)syscall(SYS_pidfd_open, t->them, 0);
    int fd = them < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, them, t->listener, 0);

    if (them >= 0)
        close(them);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool can_send_a_datagram(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(9) };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool sent =
        fd >= 0 && sendto(fd, "x", 1, 0, (const struct sockaddr *)&address, sizeof(address)) == 1;
    if (fd >= 0)
        close(fd);
    return sent;
}

static bool can_attach(const struct teams *t)
{
    if (ptrace(PTRACE_SEIZE, t->them, NULL, NULL) != 0)
        return false;
    ptrace(PTRACE_DETACH, t->them, NULL, NULL);
    return true;
}

static bool can_run_a_program(void)
{
    char *const arguments[] = { "true", NULL };
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        execv("/bin/true", arguments);
        _exit(1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static int try_everything(const struct teams *t)
{
    return (can_open(t->secret, O_RDONLY) ? READ_A_FILE : 0) |
           (can_open(t->theirs, O_RDONLY | O_DIRECTORY) ? LIST_A_FOLDER : 0) |
           (can_open(t->secret, O_WRONLY) ? WRITE_A_FILE : 0) |
           (can_connect(t) ? CONNECT_TO_A_SOCKET : 0) |
           (can_read_memory(t) ? READ_MEMORY_BY_PROC : 0) | (can_attach(t) ? ATTACH : 0) |
           (unlink(t->secret) == 0 ? REMOVE_A_FILE : 0) |
           (can_run_a_program() ? RUN_A_PROGRAM : 0) |
           (can_read_memory_by_call(t) ? READ_MEMORY_BY_CALL : 0) |
           (can_open_of_theirs(t, "fd", O_RDONLY | O_DIRECTORY) ? LIST_OPEN_FILES : 0) |
           (can_take_an_open_file(t) ? TAKE_AN_OPEN_FILE : 0) |
           (can_open_of_theirs(t, "environ", O_RDONLY) ? READ_ENVIRONMENT : 0) |
           (can_send_a_datagram() ? SEND_A_DATAGRAM : 0);
}

/* What succeeded of all that our process tries on theirs, a set of the names above. */
static int attempts(struct teams *t, const struct boundary *b)
{
    char mine[TEMP_PATH_MAX + 8];
    int result[2], got = FAILED_TO_ENTER;

    start_them(t, b);
    assert_int_equal(pipe(result), 0);
    pid_t us = fork();
    if (us == 0) {
        got = enter(b, 1, t->ours) ? try_everything(t) : FAILED_TO_ENTER;
        snprintf(mine, sizeof(mine), "%s/mine", t->ours);
        if (!can_open(mine, O_RDWR | O_CREAT))
            got = FAILED_TO_ENTER; /* one's own files must stay within reach */
        _exit(write(result[1], &got, sizeof(got)) != sizeof(got));
    }
    assert_int_equal(read(result[0], &got, sizeof(got)), sizeof(got));
    waitpid(us, NULL, 0);
    close(result[0]);
    close(result[1]);
    return got;
}

static void without_a_boundary_everything_succeeds(void **state)
{
    assert_int_equal(attempts(*state, &(struct boundary){ 0 }), ALL);
}

static void behind_the_fence_nothing_of_another_team_is_in_reach(void **state)
{
    struct err err;

    if (fence_check(&err))
        skip();
    assert_int_equal(attempts(*state, &(struct boundary){ .fence = true }), 0);
}

static void give_each_its_own(struct teams *t)
{
    struct err err;

    if (geteuid() != 0)
        skip();
    assert_ok(account_check(user_of(1), NULL, 0, &err), &err);
    assert_ok(account_hand_over(t->ours, user_of(1), &err), &err);
    assert_ok(account_hand_over(t->theirs, user_of(2), &err), &err);
}

static void as_a_user_of_its_own_nothing_of_another_team_is_in_reach(void **state)
{
    give_each_its_own(*state);
    assert_int_equal(attempts(*state, &(struct boundary){ .users = true }),
                     RUN_A_PROGRAM | SEND_A_DATAGRAM);
}

static void the_fence_lets_through_what_is_listed_and_no_signal(void **state)
{
    struct teams *t = *state;
    char plain[TEMP_PATH_MAX];
    struct err err;
    int status;

    if (fence_check(&err))
        skip();
    write_text(temp_path(&t->dir, "plain", plain), "listed, and not readable");
    start_them(t, &(struct boundary){ 0 });
    pid_t us = fork();
    if (us == 0) {
        const char *writable[] = { t->ours }, *readable[] = { t->theirs, "/no/such/file" };
        const char *listable[] = { t->dir.path };
        struct fence fence = { writable, 1, readable, 2, listable, 1 };
        bool good = fence_enter(&fence, &err) == RC_OK && can_open(t->secret, O_RDONLY) &&
                    !can_open(t->secret, O_WRONLY) && !can_open("/etc/passwd", O_RDONLY) &&
                    can_open(t->dir.path, O_RDONLY | O_DIRECTORY) && !can_open(plain, O_RDONLY);
        _exit(!good || (kill(t->them, 0) == 0 && syscall(444, NULL, 0, 1) >= 6));
    }
    assert_int_equal(waitpid(us, &status, 0), us);
    assert_int_equal(status, 0);
}

static int dial_tcp(unsigned port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd, (struct sockaddr *)&address, sizeof(address));
}

static void who_may_call_does_so_by_tcp_alone(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t len = sizeof(address);
    struct teams *t = *state;
    struct err err;
    int status, tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fence_check(&err))
        skip();
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(tcp, (struct sockaddr *)&address, len) | listen(tcp, 5), 0);
    assert_int_equal(getsockname(tcp, (struct sockaddr *)&address, &len), 0);
    for (int may_call = 0; may_call < 2; may_call++) {
        pid_t us = fork();
        if (us == 0) {
            struct fence fence = { 0 };
            bool good = fence_enter(&fence, &err) == RC_OK && fence_seal(may_call, &err) == RC_OK;
            good = good && (dial_tcp(ntohs(address.sin_port)) == 0) == may_call;
            _exit(!good || can_connect(t));
        }
        assert_int_equal(waitpid(us, &status, 0), us);
        assert_int_equal(status, 0);
    }
    close(tcp);
}

static void a_team_keeps_its_user_and_two_never_share_one(void **state)
{
    struct teams *t = *state;
    uid_t first, second, again;
    struct err err;

    assert_ok(account_choose(t->ours, NULL, 0, &first, &err), &err);
    assert_true(first >= ACCOUNT_FIRST);
    assert_ok(account_choose(t->ours, &first, 1, &second, &err), &err);
    assert_int_not_equal(first, second);
    if (geteuid() != 0)
        return;
    assert_ok(account_hand_over(t->ours, second, &err), &err);
    assert_ok(account_choose(t->ours, NULL, 0, &again, &err), &err);
    assert_int_equal(again, second);
    assert_int_equal(account_choose("/no/such/folder", NULL, 0, &again, &err), RC_IO);
}

static void a_place_that_the_user_does_not_get_to_is_named(void **state)
{
    struct teams *t = *state;
    const char *paths[] = { "/etc/passwd", t->secret };
    struct err err;

    if (geteuid() != 0)
        skip();
    assert_int_equal(account_check(user_of(1), paths, 2, &err), RC_DENIED);
    assert_non_null(strstr(err.message, t->secret));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_boundary_everything_succeeds),
        TEST(behind_the_fence_nothing_of_another_team_is_in_reach),
        TEST(as_a_user_of_its_own_nothing_of_another_team_is_in_reach),
        TEST(the_fence_lets_through_what_is_listed_and_no_signal),
        TEST(who_may_call_does_so_by_tcp_alone),
        TEST(a_team_keeps_its_user_and_two_never_share_one),
        TEST(a_place_that_the_user_does_not_get_to_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
