/* raw_client.h - an HTTP client that says exactly what the test says, over TCP or a UNIX socket. */
#ifndef TESTS_SERVE_RAW_CLIENT_H
#define TESTS_SERVE_RAW_CLIENT_H

#include "tests/support/test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_MAX = 1 << 20, PATIENCE_MS = 60000 };

static inline int dial_port(unsigned port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline int dial_unix(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline void say(int fd, const char *text)
{
    for (size_t len = strlen(text), sent = 0; sent < len;) {
        ssize_t n = send(fd, text + sent, len - sent, MSG_NOSIGNAL);
        if (n < 0)
            return; /* refused early and closed: what was answered is what counts */
        sent += (size_t)n;
    }
}

/* Reads until `until` was seen, or to the end when it is NULL. */
static inline const char *hear_into(char *text, size_t size, int fd, const char *until)
{
    size_t len = 0;

    text[0] = '\0';
    while (len + 1 < size && (!until || !strstr(text, until))) {
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        if (poll(&ready, 1, PATIENCE_MS) == 0)
            fail_msg("silence after '%s'", text);
        ssize_t n = recv(fd, text + len, size - 1 - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
        text[len] = '\0';
    }
    return text;
}

/* Reads exactly one answer, by its Content-Length, and leaves the connection open. */
static inline void hear_answer(char *text, size_t size, int fd)
{
    size_t len = 0, want = size;

    text[0] = '\0';
    while (len < want) {
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
        size_t body = 0;
        if (end && length && sscanf(length, "Content-Length: %zu", &body) == 1)
            want = (size_t)(end + 4 - text) + body;
        if (len >= want)
            return;
        assert_true(want <= size - 1 || !end);
        if (poll(&ready, 1, PATIENCE_MS) == 0)
            fail_msg("silence after '%s'", text);
        ssize_t n = recv(fd, text + len, (want < size ? want : size - 1) - len, 0);
        if (n <= 0)
            return;
        len += (size_t)n;
        text[len] = '\0';
    }
}

/* The text is static. */
static inline const char *hear(int fd, const char *until)
{
    static char text[ANSWER_MAX + 1];

    return hear_into(text, sizeof(text), fd, until);
}

static inline int status_of(const char *answer)
{
    int status = 0;

    return sscanf(answer, "HTTP/1.1 %d ", &status) == 1 ? status : 0;
}

/* What is behind the head; "" when there is none. */
static inline const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");

    return end ? end + 4 : "";
}

#endif
