/*
 * The reference of the benchmark: an echo server with nothing to spare. One thread.
 *
 *     cc -O2 -o echo_server echo_server.c
 *     ./echo_server [tcp|udp] [ADDRESS] [PORT]       (tcp, 127.0.0.1, 0: a free port)
 *
 * It says on stdout where it serves, in the words of the lab's own servers, and serves until it is killed.
 *
 * Theory of operation, TCP
 *     epoll, level-triggered. What a connection sent is written back at once, from one buffer for all. What the
 *     peer does not take is kept, and the connection is then asked for room only (EPOLLOUT), not read: TCP's own
 *     flow control stops the peer, and nobody costs more than one buffer. Reads are as large as those of uvloop
 *     and asyncio (256 KiB), or bulk data would compare sizes of reads.
 *
 * Theory of operation, UDP
 *     Blocking recvfrom and sendto: with one socket to serve there is nothing to choose from.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 256 * 1024, EVENTS = 1024, BACKLOG = 1024 };

struct connection {
    int fd;
    char *kept;     /* what the peer has not taken yet; NULL: nothing */
    size_t length;  /* of kept */
    size_t taken;   /* of it */
};

static char buffer[BUFFER];
static int epoll_fd;

static void die(const char *what)
{
    fprintf(stderr, "echo_server: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_socket(int type, const char *address, int port)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof where;
    int on = 1;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("socket");
    if (inet_pton(AF_INET, address, &where.sin_addr) != 1) {
        errno = EINVAL;
        die(address);
    }
    if (type & SOCK_STREAM)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&where, sizeof where) < 0)
        die("bind");
    if ((type & SOCK_STREAM) && listen(fd, BACKLOG) < 0)
        die("listen");
    if (getsockname(fd, (struct sockaddr *)&where, &size) < 0)
        die("getsockname");
    printf("{\"event\": \"serving\", \"bound\": [{\"name\": \"echo\", \"transport\": \"%s\", "
           "\"address\": \"%s\", \"port\": %d}]}\n",
           type & SOCK_STREAM ? "tcp" : "udp", address, ntohs(where.sin_port));
    fflush(stdout);
    return fd;
}

static void watch(struct connection *connection, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};

    if (epoll_ctl(epoll_fd, how, connection->fd, &event) < 0)
        die("epoll_ctl");
}

static void end(struct connection *connection)
{
    close(connection->fd); /* which also takes it out of the epoll set */
    free(connection->kept);
    free(connection);
}

static void accept_one(int listener)
{
    int on = 1;
    struct connection *connection;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        /* Gone before we came (accept(2)), or nobody there after all. */
        if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
            return;
        die("accept"); /* the benchmark raises RLIMIT_NOFILE: anything else ends the run */
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection = calloc(1, sizeof *connection);
    if (!connection)
        die("calloc");
    connection->fd = fd;
    watch(connection, EPOLL_CTL_ADD, EPOLLIN);
}

/* Send what is there; how much the peer took, or -1: the connection is no more. */
static ssize_t give(int fd, const char *data, size_t length)
{
    ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);

    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    return sent;
}

static void read_and_echo(struct connection *connection)
{
    ssize_t sent, got = recv(connection->fd, buffer, sizeof buffer, 0);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        end(connection);
        return;
    }
    sent = give(connection->fd, buffer, (size_t)got);
    if (sent < 0) {
        end(connection);
    } else if (sent < got) {
        connection->length = (size_t)(got - sent);
        connection->taken = 0;
        connection->kept = malloc(connection->length);
        if (!connection->kept)
            die("malloc");
        memcpy(connection->kept, buffer + sent, connection->length);
        watch(connection, EPOLL_CTL_MOD, EPOLLOUT);
    }
}

static void give_kept(struct connection *connection)
{
    ssize_t sent = give(connection->fd, connection->kept + connection->taken,
                        connection->length - connection->taken);

    if (sent < 0) {
        end(connection);
        return;
    }
    connection->taken += (size_t)sent;
    if (connection->taken == connection->length) {
        free(connection->kept);
        connection->kept = NULL;
        watch(connection, EPOLL_CTL_MOD, EPOLLIN);
    }
}

static void serve_tcp(int listener)
{
    struct epoll_event events[EVENTS];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0)
        die("epoll");
    for (;;) {
        int ready = epoll_wait(epoll_fd, events, EVENTS, -1);

        if (ready < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;

            if (!connection)
                accept_one(listener);
            else if (connection->kept)
                give_kept(connection);
            else
                read_and_echo(connection);
        }
    }
}

static void serve_udp(int fd)
{
    struct sockaddr_in peer;

    for (;;) {
        socklen_t size = sizeof peer;
        ssize_t got = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&peer, &size);

        if (got >= 0) /* an answer that cannot be sent is lost, as datagrams are */
            (void)sendto(fd, buffer, (size_t)got, 0, (struct sockaddr *)&peer, size);
        else if (errno != EINTR)
            die("recvfrom");
    }
}

int main(int argc, char **argv)
{
    const char *transport = argc > 1 ? argv[1] : "tcp";
    const char *address = argc > 2 ? argv[2] : "127.0.0.1";
    int port = argc > 3 ? atoi(argv[3]) : 0;
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (strcmp(transport, "tcp") == 0)
        serve_tcp(open_socket(SOCK_STREAM | SOCK_NONBLOCK, address, port));
    else if (strcmp(transport, "udp") == 0)
        serve_udp(open_socket(SOCK_DGRAM, address, port));
    fprintf(stderr, "usage: %s [tcp|udp] [ADDRESS] [PORT]\n", argv[0]);
    return 2;
}
