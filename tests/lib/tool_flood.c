/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A SYN flood of a known size: COUNT SYNs, each from another source in 198.18.0.0/15 (RFC 2544) and
 * with another port, so no two are alike. Sends on an interface of a test's own namespace.
 *
 *   tool_flood IFACE DST_MAC DST_IP DST_PORT COUNT PPS      (PPS 0: as fast as it goes)
 *   tool_flood --live IFACE DST_MAC DST_IP DST_PORT SECONDS [syn|ack]
 *
 * Prints how many were sent. Exit 1 if not all.
 *
 * --live makes them in the kernel, one to two million a second: IFACE is a veth whose peer takes XDP frames (it runs an
 * XDP program, or GRO is on). What comes back to IFACE ends in an XDP program, so IFACE is the flood's own: no real
 * client shares it. While it runs the kernel's BPF statistics are on. Prints one JSON object at the end, and one
 * whenever SIGUSR1 asks; ends early on SIGTERM or SIGINT.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "../bench/genrun.h"

enum { BATCH = 64, OPTIONS = 8, COUNT_MAX = 100000000 };

struct frame {
    struct ether_header eth;
    struct iphdr ip;
    struct tcphdr tcp;
    uint8_t options[OPTIONS];
} __attribute__((packed));

static uint16_t checksum(const void *data, size_t len, uint32_t sum)
{
    const uint8_t *p = data;

    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (uint32_t)p[i] << 8 | p[i + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons(~sum & 0xffff);
}

static void fill(struct frame *f, uint32_t i)
{
    uint32_t src = 0xc6120000u + i % 131072, pseudo;

    f->ip.saddr = htonl(src);
    f->ip.check = 0;
    f->ip.check = checksum(&f->ip, sizeof(f->ip), 0);
    f->tcp.source = htons(1024 + i / 131072);
    f->tcp.seq = htonl(i * 2654435761u);
    f->tcp.check = 0;
    pseudo = (src >> 16) + (src & 0xffff) + (ntohl(f->ip.daddr) >> 16) + (ntohl(f->ip.daddr) & 0xffff) + IPPROTO_TCP +
             sizeof(f->tcp) + OPTIONS;
    f->tcp.check = checksum(&f->tcp, sizeof(f->tcp) + OPTIONS, pseudo);
}

static int template(struct frame *f, const char *mac, const char *ip, int port)
{
    static const uint8_t options[OPTIONS] = {2, 4, 0x05, 0xb4, 4, 2, 1, 1}; /* MSS 1460, SACK permitted */
    struct ether_addr *to = ether_aton(mac);

    memset(f, 0, sizeof(*f));
    if (!to)
        return -EINVAL;
    memcpy(f->eth.ether_dhost, to, 6);
    memcpy(f->eth.ether_shost, "\x02\x00\x00\x00\x00\x66", 6);
    f->eth.ether_type = htons(ETHERTYPE_IP);
    f->ip.version = 4;
    f->ip.ihl = 5;
    f->ip.tot_len = htons(sizeof(*f) - sizeof(f->eth));
    f->ip.frag_off = htons(0x4000);
    f->ip.ttl = 64;
    f->ip.protocol = IPPROTO_TCP;
    f->tcp.dest = htons(port);
    f->tcp.doff = (sizeof(f->tcp) + OPTIONS) / 4;
    f->tcp.syn = 1;
    f->tcp.window = htons(64240);
    memcpy(f->options, options, OPTIONS);
    return inet_pton(AF_INET, ip, &f->ip.daddr) == 1 ? 0 : -EINVAL;
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static uint32_t flood(int fd, const struct frame *base, uint32_t count, uint32_t pps)
{
    static struct frame frames[BATCH];
    struct mmsghdr msgs[BATCH] = {0};
    struct iovec iov[BATCH];
    uint32_t sent = 0, refused = 0;
    uint64_t start = now_ns();

    for (int i = 0; i < BATCH; i++) {
        frames[i] = *base;
        iov[i] = (struct iovec){&frames[i], sizeof(frames[i])};
        msgs[i].msg_hdr.msg_iov = &iov[i];
        msgs[i].msg_hdr.msg_iovlen = 1;
    }
    while (sent < count && refused < 1000000) {
        uint32_t n = count - sent < BATCH ? count - sent : BATCH;
        int done;

        for (uint32_t i = 0; i < n; i++)
            fill(&frames[i], sent + i);
        done = sendmmsg(fd, msgs, n, 0);
        if (done > 0) {
            sent += done;
        } else if (errno == ENOBUFS || errno == EAGAIN || errno == EINTR) {
            refused++;
            usleep(100);
        } else {
            perror("sendmmsg");
            break;
        }
        while (pps && (uint64_t)sent * 1000000000ull / pps > now_ns() - start)
            usleep(100);
    }
    return sent;
}

static volatile sig_atomic_t ended, asked;

static void on_signal(int sig)
{
    if (sig == SIGUSR1)
        asked = 1;
    else
        ended = 1;
}

static int live_spec(char **argv, const char *kind, struct gen_spec *ret)
{
    static const __u8 usual[] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7}; /* as Linux sends */
    static const __u8 stamped[] = {1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0};
    struct ether_addr *to = ether_aton(argv[1]);
    const int ack = !strcmp(kind, "ack");

    *ret = (struct gen_spec){.src_mac = {2, 0, 0, 0, 0, 0x66},
                             .src = {198, 18},
                             .src_bits = 17,
                             .port = atoi(argv[3]),
                             .options = ack ? stamped : usual,
                             .options_len = ack ? sizeof(stamped) : sizeof(usual),
                             .stamps_at = ack ? 4 : 8,
                             .kind = ack ? GEN_ACK : GEN_SYN};
    if (!to || (!ack && strcmp(kind, "syn")) || inet_pton(AF_INET, argv[2], ret->dst) != 1)
        return -EINVAL;
    memcpy(ret->dst_mac, to, 6);
    return 0;
}

static void live_say(const struct gen_bpf *obj, uint64_t start)
{
    printf("{\"sent\":%u,\"seconds\":%.6f}\n", obj->bss->gen.at, (double)(now_ns() - start) / 1e9);
    fflush(stdout);
}

static int live(char **argv, const char *kind)
{
    double seconds = atof(argv[4]);
    struct gen_bpf *obj = NULL;
    int ifindex = if_nametoindex(argv[0]), stats = -1, err;
    uint64_t start;
    struct itimerval until = {0};
    struct gen_spec spec;

    err = !ifindex || seconds <= 0 || seconds > 600 ? -EINVAL : live_spec(argv, kind, &spec);
    if (err)
        goto out;
    until.it_value.tv_sec = (time_t)seconds;
    until.it_value.tv_usec = (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6);
    signal(SIGALRM, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    signal(SIGUSR1, on_signal);
    obj = gen_bpf__open_and_load();
    stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
    if (!obj || stats < 0 || bpf_xdp_attach(ifindex, bpf_program__fd(obj->progs.drop_xdp), XDP_FLAGS_DRV_MODE, NULL)) {
        err = -errno;
        goto out;
    }
    gen_fill(&obj->bss->gen, &spec);
    obj->bss->gen.ifindex = ifindex;
    start = now_ns();
    /* one long run, ended by a signal: the kernel waits for an RCU grace period after each */
    setitimer(ITIMER_REAL, &until, NULL);
    while (!err && !ended) {
        err = gen_send(obj, INT32_MAX);
        if (err == -EINTR)
            err = 0;
        if (asked)
            live_say(obj, start);
        asked = 0;
    }
    bpf_xdp_detach(ifindex, XDP_FLAGS_DRV_MODE, NULL);
    if (!err)
        live_say(obj, start);
out:
    if (err)
        fprintf(stderr, "tool_flood: %s: %s\n", argv[0], strerror(-err));
    gen_bpf__destroy(obj);
    if (stats >= 0)
        close(stats);
    return !!err;
}

int main(int argc, char **argv)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)};
    struct frame base;
    uint32_t count, sent;
    int fd, one = 1;

    if ((argc == 7 || argc == 8) && !strcmp(argv[1], "--live"))
        return live(argv + 2, argc == 8 ? argv[7] : "syn");
    if (argc != 7 || template(&base, argv[2], argv[3], atoi(argv[4]))) {
        fprintf(stderr, "tool_flood IFACE DST_MAC DST_IP DST_PORT COUNT PPS\n"
                        "tool_flood --live IFACE DST_MAC DST_IP DST_PORT SECONDS [syn|ack]\n");
        return 2;
    }
    count = strtoul(argv[5], NULL, 10);
    to.sll_ifindex = if_nametoindex(argv[1]);
    fd = socket(AF_PACKET, SOCK_RAW, 0);
    if (!count || count > COUNT_MAX || !to.sll_ifindex || fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to))) {
        perror(argv[1]);
        return 2;
    }
    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
    sent = flood(fd, &base, count, strtoul(argv[6], NULL, 10));
    close(fd);
    printf("%u\n", sent);
    return sent != count;
}
