/*
 * The load generator of the benchmark: one thread, epoll, closed loop.
 *
 *     cc -O2 -o load load.c
 *     ./load MODE HOST PORT [OPTION...]        HOST is a numeric IPv4 address
 *
 *     pingpong  each of N connections sends a batch of messages in one write and waits until it is all back
 *     bulk      one connection keeps up to a window of bytes on the way
 *     accepts   connect, one message there and back, close: one connection after another
 *     udp       as pingpong with one message, on N connected sockets; what gets lost is sent again
 *     framed    as pingpong with one message, of the lab's framed protocol, after its handshake
 *     idle      open N connections, one message there and back on each, keep them open (only with --stepped)
 *
 *     --connections N (1)   --size BYTES (64; of a message, or of a write in bulk)   --in-flight N (1)
 *     --window BYTES (1048576)   --seconds S (1)   --count N (accepts: at most so many)   --warm-up S (0.1)
 *     --hello HEX   --request HEX   (framed: whole frames; each request gets an id of its own)
 *     --stepped   say `ready` before measuring and wait for a line on stdin; wait for another before closing
 *
 * The result is one line of JSON on stdout. Exit status: 0 measured, 1 the server did not do its part, 2 usage.
 *
 * Theory of operation
 *     Connections are opened one by one, each with a message there and back: so none stands in a backlog when
 *     measuring begins, and a server that cannot serve so many is found out at once. A run sends until its time is
 *     over and then waits for what is still out. So between `ready` and the result the server did exactly the
 *     operations that are counted, and whoever reads its CPU clock at those two moments can divide.
 *     Latency is of a batch, from before its write to after its last byte. It is kept in buckets whose width is
 *     below 1 % of their value, so memory does not grow with the run. What comes back is compared with what was sent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS = 1024,
    BUFFER = 256 * 1024,
    SILENCE_MS = 5000, /* a server that gives nothing for so long does not do its part */
    RESEND_MS = 200,   /* udp: what is not back by then got lost */
    FRAME_HEADER = 28, /* !4sBBHQIQ: magic, version, type, flags, id, payload length, time */
    FRAME_TYPE = 5,
    FRAME_ID = 8,
    FRAME_LENGTH = 16,
    FRAME_WELCOME = 2,
    FRAME_RESPONSE = 4,
    BUCKETS_PER_OCTAVE = 128, /* 2^7: so a value has 8 bits of its own, see bucket_of */
    OCTAVES = 58,
};

static struct {
    const char *mode;
    struct sockaddr_in server;
    int connections, in_flight;
    size_t size, window;
    double seconds, warm_up;
    uint64_t count;
    bool stepped;
} asked = {.connections = 1, .in_flight = 1, .size = 64, .window = 1 << 20, .seconds = 1.0, .warm_up = 0.1,
           .count = UINT64_MAX};

struct peer {
    int fd;
    uint64_t sent_at;                   /* ns */
    size_t due;                         /* bytes of the batch that are not back yet; framed: of the payload */
    size_t header_have;                 /* framed */
    unsigned char header[FRAME_HEADER]; /* framed */
};

static struct peer *peers;
static int epoll_fd;
static char buffer[BUFFER];

static unsigned char *batch; /* what one operation sends */
static size_t batch_size;
static unsigned char *hello;
static size_t hello_size;
static uint64_t next_id = 1;

static struct {
    uint64_t operations, bytes, lost;
    uint64_t buckets[BUCKETS_PER_OCTAVE * OCTAVES];
    uint64_t batches, longest;
} result;

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

/* --- clock and latency ------------------------------------------------------------------------------------- */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* Below two octaves' worth a bucket is 1 ns wide; above, an octave (2^n .. 2^(n+1)) has BUCKETS_PER_OCTAVE. */
static size_t bucket_of(uint64_t ns)
{
    int bits = 64 - __builtin_clzll(ns | 1), shift = bits > 8 ? bits - 8 : 0;

    return (size_t)shift * BUCKETS_PER_OCTAVE + (size_t)(ns >> shift);
}

static double middle_of(size_t bucket)
{
    size_t shift = bucket < 2 * BUCKETS_PER_OCTAVE ? 0 : bucket / BUCKETS_PER_OCTAVE - 1;

    return ((double)(bucket - shift * BUCKETS_PER_OCTAVE) + (shift ? 0.5 : 0.0)) * (double)(1ull << shift);
}

static void record(uint64_t ns)
{
    result.buckets[bucket_of(ns)]++;
    result.batches++;
    if (ns > result.longest)
        result.longest = ns;
}

static double percentile_us(double share)
{
    uint64_t rank = (uint64_t)(share * (double)result.batches), seen = 0;

    for (size_t i = 0; i < sizeof result.buckets / sizeof *result.buckets; i++)
        if ((seen += result.buckets[i]) > rank)
            return middle_of(i) / 1000.0;
    return (double)result.longest / 1000.0;
}

/* --- sockets ------------------------------------------------------------------------------------------------ */

static int open_socket(int type)
{
    int on = 1;
    struct timeval patience = {.tv_sec = SILENCE_MS / 1000};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("socket: %s", strerror(errno));
    if (type == SOCK_STREAM)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&asked.server, sizeof asked.server) < 0)
        die("connect: %s", strerror(errno));
    return fd;
}

static void send_all(int fd, const void *data, size_t length)
{
    for (size_t sent = 0; sent < length;) {
        ssize_t step = send(fd, (const char *)data + sent, length - sent, MSG_NOSIGNAL);

        if (step < 0)
            die("send: %s", strerror(errno));
        sent += (size_t)step;
    }
}

/* Blocking: exactly so many bytes into `into`, or the end. */
static void receive_all(int fd, void *into, size_t length)
{
    for (size_t have = 0; have < length;) {
        ssize_t step = recv(fd, (char *)into + have, length - have, 0);

        if (step <= 0)
            die("%s after %zu of %zu bytes", step ? strerror(errno) : "the server closed", have, length);
        have += (size_t)step;
    }
}

static void unblock(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* One message there and back: at most the buffer at once, so that it cannot jam however large it is. */
static void greet(int fd)
{
    size_t length = asked.size < BUFFER ? asked.size : BUFFER;

    send_all(fd, batch, length);
    receive_all(fd, buffer, length);
    if (memcmp(buffer, batch, length) != 0)
        die("what came back is not what was sent");
}

static uint32_t payload_length(const unsigned char *header)
{
    uint32_t length;

    memcpy(&length, header + FRAME_LENGTH, sizeof length);
    return ntohl(length);
}

static void shake_hands(int fd)
{
    unsigned char header[FRAME_HEADER];

    send_all(fd, hello, hello_size);
    receive_all(fd, header, sizeof header);
    if (header[FRAME_TYPE] != FRAME_WELCOME || payload_length(header) > BUFFER)
        die("the handshake was answered with a frame of type %d", header[FRAME_TYPE]);
    receive_all(fd, buffer, payload_length(header));
}

static void open_peers(int type, void (*introduce)(int))
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    peers = calloc((size_t)asked.connections, sizeof *peers);
    if (epoll_fd < 0 || !peers)
        die("epoll_create1 or calloc: %s", strerror(errno));
    for (int i = 0; i < asked.connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &peers[i]};

        peers[i].fd = open_socket(type);
        introduce(peers[i].fd);
        unblock(peers[i].fd);
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, peers[i].fd, &event) < 0)
            die("epoll_ctl: %s", strerror(errno));
    }
}

/* --- pingpong, udp, framed ---------------------------------------------------------------------------------- */

static void send_batch(struct peer *peer)
{
    ssize_t sent;

    peer->due = batch_size;
    peer->sent_at = now_ns();
    sent = send(peer->fd, batch, batch_size, MSG_NOSIGNAL);
    /* A batch is small and nothing else is out: it fits into the socket's buffer, or the options make no sense. */
    if (sent != (ssize_t)batch_size)
        die("send: %s", sent < 0 ? strerror(errno) : "the batch does not fit into the socket's buffer");
}

static void send_request(struct peer *peer)
{
    uint64_t id = htobe64(next_id++);

    memcpy(batch + FRAME_ID, &id, sizeof id);
    peer->header_have = 0;
    send_batch(peer);
}

/* Each takes what arrived; whether the operation is done. */

static bool take_stream(struct peer *peer, size_t got)
{
    if (got > peer->due || memcmp(buffer, batch + batch_size - peer->due, got) != 0)
        die("what came back is not what was sent");
    peer->due -= got;
    return peer->due == 0;
}

static bool take_datagram(struct peer *peer, size_t got)
{
    if (got != batch_size || memcmp(buffer, batch, got) != 0)
        die("what came back is not what was sent");
    if (!peer->due)
        return false; /* the answer to what had been given up as lost */
    peer->due = 0;
    return true;
}

static bool take_frame(struct peer *peer, size_t got)
{
    size_t at = 0;

    if (peer->header_have < FRAME_HEADER) {
        at = FRAME_HEADER - peer->header_have;
        at = got < at ? got : at;
        memcpy(peer->header + peer->header_have, buffer, at);
        peer->header_have += at;
        if (peer->header_have < FRAME_HEADER)
            return false;
        if (peer->header[FRAME_TYPE] != FRAME_RESPONSE)
            die("a request was answered with a frame of type %d", peer->header[FRAME_TYPE]);
        peer->due = payload_length(peer->header);
    }
    if (got - at > peer->due)
        die("an answer is longer than its header says");
    peer->due -= got - at;
    return peer->due == 0;
}

struct kind {
    void (*start)(struct peer *);
    bool (*take)(struct peer *, size_t);
    bool resends;
};

static void resend_lost(const struct kind *kind)
{
    uint64_t now = now_ns();

    for (int i = 0; i < asked.connections; i++)
        if (peers[i].due && now - peers[i].sent_at >= RESEND_MS * 1000000ull) {
            result.lost++;
            kind->start(&peers[i]);
        }
}

/* Wait for events; what got lost meanwhile is sent again. */
static int wait_ready(const struct kind *kind, struct epoll_event *events)
{
    int step = kind->resends ? RESEND_MS : SILENCE_MS;

    for (int waited = 0; waited < SILENCE_MS; waited += step) {
        int ready = epoll_wait(epoll_fd, events, EVENTS, step);

        if (ready > 0)
            return ready;
        if (ready < 0 && errno != EINTR)
            die("epoll_wait: %s", strerror(errno));
        if (kind->resends)
            resend_lost(kind);
    }
    die("nothing came back for %d s", SILENCE_MS / 1000);
}

static void run_batches(const struct kind *kind, double seconds, bool measured)
{
    struct epoll_event events[EVENTS];
    uint64_t until = now_ns() + (uint64_t)(seconds * 1e9);
    int out = asked.connections;

    for (int i = 0; i < asked.connections; i++)
        kind->start(&peers[i]);
    while (out > 0) {
        int ready = wait_ready(kind, events);

        for (int i = 0; i < ready; i++) {
            struct peer *peer = events[i].data.ptr;
            ssize_t got = recv(peer->fd, buffer, sizeof buffer, 0);
            uint64_t now;

            if (got < 0 && (errno == EAGAIN || errno == EINTR))
                continue;
            if (got <= 0)
                die("recv: %s", got ? strerror(errno) : "the server closed");
            if (!kind->take(peer, (size_t)got))
                continue;
            now = now_ns();
            if (measured) {
                record(now - peer->sent_at);
                result.operations += (uint64_t)asked.in_flight;
                result.bytes += batch_size;
            }
            if (now < until)
                kind->start(peer);
            else
                out--;
        }
    }
}

static const struct kind STREAM = {send_batch, take_stream, false};
static const struct kind DATAGRAM = {send_batch, take_datagram, true};
static const struct kind FRAME = {send_request, take_frame, false};

static void run_pingpong(double seconds, bool measured) { run_batches(&STREAM, seconds, measured); }
static void run_udp(double seconds, bool measured) { run_batches(&DATAGRAM, seconds, measured); }
static void run_framed(double seconds, bool measured) { run_batches(&FRAME, seconds, measured); }

/* --- bulk ---------------------------------------------------------------------------------------------------- */

/*
 * The stream is the batch over and over, and the batch is bytes that count up from 0 to 255 again and again, as the
 * stream does then: so the first and last byte of what was read tell whether it is in place.
 */
static void run_bulk(double seconds, bool measured)
{
    struct pollfd socket = {.fd = peers[0].fd};
    uint64_t until = now_ns() + (uint64_t)(seconds * 1e9), sent = 0, back = 0;
    bool sending = true;

    while (sending || back < sent) {
        ssize_t step = 0;

        sending = sending && (now_ns() < until || sent % batch_size != 0);
        while (sending && sent - back + batch_size <= asked.window) {
            step = send(socket.fd, batch + sent % batch_size, batch_size - sent % batch_size, MSG_NOSIGNAL);
            if (step < 0)
                break;
            sent += (uint64_t)step;
        }
        if (step < 0 && errno != EAGAIN)
            die("send: %s", strerror(errno));
        socket.events = POLLIN | (step < 0 ? POLLOUT : 0);
        if (poll(&socket, 1, SILENCE_MS) == 0)
            die("nothing came back for %d s", SILENCE_MS / 1000);
        step = recv(socket.fd, buffer, sizeof buffer, 0);
        if (step == 0 || (step < 0 && errno != EAGAIN))
            die("recv: %s", step ? strerror(errno) : "the server closed");
        if (step < 0)
            continue;
        if ((unsigned char)buffer[0] != back % 256 ||
            (unsigned char)buffer[step - 1] != (back + (uint64_t)step - 1) % 256)
            die("what came back is not what was sent");
        back += (uint64_t)step;
    }
    if (measured) {
        result.bytes += back;
        result.operations += back / batch_size;
    }
}

/* --- accepts ------------------------------------------------------------------------------------------------- */

static void run_accepts(double seconds, bool measured)
{
    uint64_t until = now_ns() + (uint64_t)(seconds * 1e9);
    uint64_t most = measured ? asked.count : asked.count / 10;

    for (uint64_t done = 0; done < most && now_ns() < until; done++) {
        uint64_t started = now_ns();
        int fd = open_socket(SOCK_STREAM);

        greet(fd);
        close(fd);
        if (measured) {
            record(now_ns() - started);
            result.operations++;
            result.bytes += asked.size;
        }
    }
}

/* --- the run as a whole -------------------------------------------------------------------------------------- */

static void nothing(int fd) { (void)fd; }
static void run_idle(double seconds, bool measured) { (void)seconds, (void)measured; }
static void open_nothing(void) {}
static void open_streams(void) { open_peers(SOCK_STREAM, greet); }
static void open_framed(void) { open_peers(SOCK_STREAM, shake_hands); }
static void open_udp(void) { open_peers(SOCK_DGRAM, nothing); }

static const struct mode {
    const char *name;
    void (*open)(void);
    void (*run)(double, bool);
} MODES[] = {
    {"pingpong", open_streams, run_pingpong}, {"bulk", open_streams, run_bulk},
    {"accepts", open_nothing, run_accepts},   {"udp", open_udp, run_udp},
    {"framed", open_framed, run_framed},      {"idle", open_streams, run_idle},
};

__attribute__((noreturn)) static void usage(const char *why)
{
    fprintf(stderr, "load: %s\nusage: load pingpong|bulk|accepts|udp|framed|idle HOST PORT [OPTION...]\n", why);
    exit(2);
}

static unsigned char *read_hex(const char *text, size_t *length)
{
    size_t digits = strlen(text);
    unsigned char *bytes = malloc(digits / 2 + 1);

    if (!bytes)
        die("malloc");
    *length = digits / 2;
    for (size_t i = 0; i < *length; i++)
        if (sscanf(text + 2 * i, "%2hhx", &bytes[i]) != 1)
            usage("a frame is written in hexadecimal digits");
    return bytes;
}

static double number(const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end || value < least || value > most)
        usage("a number is out of its range");
    return value;
}

static const struct mode *read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"connections", 1, NULL, 'c'}, {"size", 1, NULL, 's'},    {"in-flight", 1, NULL, 'n'},
        {"window", 1, NULL, 'w'},      {"seconds", 1, NULL, 't'}, {"warm-up", 1, NULL, 'u'},
        {"count", 1, NULL, 'k'},       {"hello", 1, NULL, 'h'},   {"request", 1, NULL, 'r'},
        {"stepped", 0, NULL, 'p'},     {NULL, 0, NULL, 0},
    };
    const struct mode *mode = NULL;

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (option) {
        case 'c': asked.connections = (int)number(optarg, 1, 100000); break;
        case 's': asked.size = (size_t)number(optarg, 1, 1 << 24); break;
        case 'n': asked.in_flight = (int)number(optarg, 1, 100000); break;
        case 'w': asked.window = (size_t)number(optarg, 1, 1 << 30); break;
        case 't': asked.seconds = number(optarg, 0.001, 3600); break;
        case 'u': asked.warm_up = number(optarg, 0, 3600); break;
        case 'k': asked.count = (uint64_t)number(optarg, 1, 1e9); break;
        case 'h': hello = read_hex(optarg, &hello_size); break;
        case 'r': batch = read_hex(optarg, &batch_size); break;
        case 'p': asked.stepped = true; break;
        default: usage("no such option");
        }
    if (argc - optind != 3)
        usage("expected a mode, a host and a port");
    asked.mode = argv[optind];
    for (size_t i = 0; i < sizeof MODES / sizeof *MODES; i++)
        if (strcmp(MODES[i].name, asked.mode) == 0)
            mode = &MODES[i];
    asked.server.sin_family = AF_INET;
    asked.server.sin_port = htons((uint16_t)number(argv[optind + 2], 1, 65535));
    if (!mode || inet_pton(AF_INET, argv[optind + 1], &asked.server.sin_addr) != 1)
        usage("no such mode, or the host is no numeric IPv4 address");
    return mode;
}

/* What an operation sends, and whether the options make sense together. */
static void prepare(const struct mode *mode)
{
    if (mode->open == open_framed) {
        if (!hello || batch_size < FRAME_HEADER)
            usage("framed takes --hello and --request");
        asked.in_flight = 1;
        return;
    }
    if (mode->run != run_pingpong)
        asked.in_flight = 1;
    if (mode->run == run_bulk && (asked.size % 256 || asked.window < asked.size || asked.connections != 1))
        usage("bulk takes one connection, writes of a multiple of 256 bytes and a window of at least one");
    if (mode->run == run_idle && !asked.stepped)
        usage("idle takes --stepped: somebody must say when it is enough");
    batch_size = asked.size * (size_t)asked.in_flight;
    batch = malloc(batch_size);
    if (!batch)
        die("malloc");
    for (size_t i = 0; i < batch_size; i++)
        batch[i] = (unsigned char)i;
}

static void wait_for_line(void)
{
    for (int byte; (byte = getchar()) != '\n' && byte != EOF;)
        ;
}

int main(int argc, char **argv)
{
    const struct mode *mode = read_options(argc, argv);
    struct rlimit files;
    uint64_t started, spent;
    double seconds;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    prepare(mode);
    mode->open();
    if (asked.warm_up > 0)
        mode->run(asked.warm_up, false);
    result.lost = 0;
    if (asked.stepped) {
        puts("ready");
        fflush(stdout);
        wait_for_line();
    }
    started = now_ns();
    spent = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    mode->run(asked.seconds, true);
    spent = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - spent;
    seconds = (double)(now_ns() - started) / 1e9;
    printf("{\"mode\": \"%s\", \"connections\": %d, \"size\": %zu, \"in_flight\": %d, \"seconds\": %.6f, "
           "\"operations\": %llu, \"bytes\": %llu, \"rate\": %.1f, \"lost\": %llu, \"cpu_seconds\": %.6f",
           asked.mode, asked.connections, asked.size, asked.in_flight, seconds,
           (unsigned long long)result.operations, (unsigned long long)result.bytes,
           (double)result.operations / seconds, (unsigned long long)result.lost, (double)spent / 1e9);
    if (result.batches)
        printf(", \"p50_us\": %.2f, \"p99_us\": %.2f, \"max_us\": %.2f", percentile_us(0.50), percentile_us(0.99),
               (double)result.longest / 1000.0);
    puts("}");
    fflush(stdout);
    if (asked.stepped)
        wait_for_line();
    return 0;
}
