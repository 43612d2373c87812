/* Whatever the bytes, wheel_read() returns, and hands out no member beyond its limit. */
#include "net/wheel.h"

#include <sys/mman.h>
#include <unistd.h>

enum { MEMBER_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static enum rc count(void *context, size_t index, const void *bytes, size_t len, struct err *err)
{
    size_t *n_bytes = context;

    (void)bytes;
    (void)err;
    n_bytes[index] += len;
    ASSERT(n_bytes[index] <= MEMBER_MAX);
    return RC_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct wheel_member members[] = { { "pkg/hello.txt", MEMBER_MAX },
                                                   { "pkg/world.txt", MEMBER_MAX } };
    size_t n_bytes[ARRAY_LEN(members)] = { 0 };
    int fd = memfd_create("wheel", MFD_CLOEXEC);
    struct err err;

    if (fd >= 0 && write(fd, bytes, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0)
        IGNORE_RC(wheel_read(fd, members, ARRAY_LEN(members), count, n_bytes, &err)); /* fuzz */
    if (fd >= 0)
        close(fd);
    return 0;
}
