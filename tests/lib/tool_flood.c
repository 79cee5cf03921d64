/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A SYN flood of a known size: COUNT SYNs, each from another source in 198.18.0.0/15 (RFC 2544) and
 * with another port, so no two are alike. Sends on an interface of a test's own namespace.
 *
 *   tool_flood IFACE DST_MAC DST_IP DST_PORT COUNT PPS      (PPS 0: as fast as it goes)
 *
 * Prints how many were sent. Exit 1 if not all.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

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

int main(int argc, char **argv)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)};
    struct frame base;
    uint32_t count, sent;
    int fd, one = 1;

    if (argc != 7 || template(&base, argv[2], argv[3], atoi(argv[4]))) {
        fprintf(stderr, "tool_flood IFACE DST_MAC DST_IP DST_PORT COUNT PPS\n");
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
