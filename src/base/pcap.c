/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/pcap.h"
#include "synward.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Year 2116: past 2106, where 32-bit seconds end, and far from where signed nanoseconds do. */
#define TS_SECONDS_MAX 4607182800LL

/* The payload of a link header of `skip` bytes; type 0: it has no EtherType. */
struct link {
    __u32 skip;
    __u16 type;
};

/* 1: *ret_link is set; 0: the frame ends inside its link header. */
typedef int (*link_fn)(const __u8 *data, __u32 len, struct link *ret_link);

struct sw_pcap {
    pcap_t *pcap;
    FILE *file; /* until pcap owns it */
    int fd;
    sw_pcap_idle_fn idle;
    void *idle_arg;
    link_fn link; /* NULL: Ethernet already */
    __u8 *frame;  /* rewritten frames */
    size_t frame_size;
    char why[PCAP_ERRBUF_SIZE];
    char buffer[1 << 17];
};

static __u16 get16(const __u8 *p)
{
    return (__u16)(p[0] << 8 | p[1]);
}

static __u16 type_by_version(const __u8 *data, __u32 len)
{
    return len && data[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP;
}

static int link_raw(const __u8 *data, __u32 len, struct link *ret_link)
{
    *ret_link = (struct link){0, type_by_version(data, len)};
    return 1;
}

/* The address family's number differs by system (IPv6: 10, 24, 28, 30), and NULL's byte order by machine. */
static int link_loopback(const __u8 *data, __u32 len, struct link *ret_link)
{
    if (len < 4)
        return 0;
    __u32 family = data[0] ? data[0] : data[3]; /* all are under 256 */
    bool ipv6 = family == 10 || family == 24 || family == 28 || family == 30;
    __u16 type = family == 2 ? ETH_P_IP : ipv6 ? ETH_P_IPV6 : 0;
    *ret_link = (struct link){4, type};
    return 1;
}

static int link_sll(const __u8 *data, __u32 len, struct link *ret_link)
{
    if (len < 16)
        return 0;
    *ret_link = (struct link){16, get16(data + 14)};
    return 1;
}

static int link_sll2(const __u8 *data, __u32 len, struct link *ret_link)
{
    if (len < 20)
        return 0;
    *ret_link = (struct link){20, get16(data)};
    return 1;
}

/* RFC 1661 section 2 and RFC 1662: address and control may be absent, the protocol is odd in its last octet. */
static int link_ppp(const __u8 *data, __u32 len, struct link *ret_link)
{
    __u32 at = len >= 2 && data[0] == 0xff && data[1] == 0x03 ? 2 : 0;
    if (len < at + 2)
        return 0;
    __u32 size = data[at] & 1 ? 1 : 2;
    __u16 protocol = size == 1 ? data[at] : get16(data + at);
    __u16 type = protocol == 0x21    ? ETH_P_IP
                 : protocol == 0x57  ? ETH_P_IPV6
                 : protocol == 0x281 ? ETH_P_MPLS_UC
                 : protocol == 0x283 ? ETH_P_MPLS_MC
                                     : 0;
    *ret_link = (struct link){at + size, type};
    return 1;
}

static int link_pppoe(const __u8 *data, __u32 len, struct link *ret_link)
{
    (void)data;
    (void)len;
    *ret_link = (struct link){0, ETH_P_PPP_SES};
    return 1;
}

static int link_chdlc(const __u8 *data, __u32 len, struct link *ret_link)
{
    if (len < 4)
        return 0;
    *ret_link = (struct link){4, get16(data + 2)};
    return 1;
}

static int link_of(int dlt, link_fn *ret_link)
{
    static const struct {
        int dlt;
        link_fn link;
    } known[] = {
        {DLT_EN10MB, NULL},        {DLT_RAW, link_raw},        {DLT_IPV4, link_raw},        {DLT_IPV6, link_raw},
        {DLT_NULL, link_loopback}, {DLT_LOOP, link_loopback},  {DLT_LINUX_SLL, link_sll},   {DLT_LINUX_SLL2, link_sll2},
        {DLT_PPP, link_ppp},       {DLT_PPP_SERIAL, link_ppp}, {DLT_PPP_ETHER, link_pppoe}, {DLT_C_HDLC, link_chdlc},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (known[i].dlt == dlt) {
            *ret_link = known[i].link;
            return 0;
        }
    }
    return -EPROTONOSUPPORT;
}

static ssize_t cookie_read(void *cookie, char *buf, size_t size)
{
    struct sw_pcap *p = cookie;

    if (p->idle && p->idle(p->idle_arg, p->fd))
        return 0;
    return read(p->fd, buf, size);
}

static int cookie_close(void *cookie)
{
    struct sw_pcap *p = cookie;

    return p->fd == STDIN_FILENO ? 0 : close(p->fd);
}

static int open_file(struct sw_pcap *p, const char *path)
{
    p->fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (p->fd < 0)
        return -errno;
    p->file = fopencookie(p, "r", (cookie_io_functions_t){.read = cookie_read, .close = cookie_close});
    if (!p->file) {
        if (p->fd != STDIN_FILENO)
            close(p->fd);
        return -ENOMEM;
    }
    setvbuf(p->file, p->buffer, _IOFBF, sizeof(p->buffer));
    return 0;
}

int sw_pcap_open(const char *path, sw_pcap_idle_fn idle, void *idle_arg, struct sw_pcap **ret_pcap, char *why,
                 size_t size)
{
    struct sw_pcap *p = calloc(1, sizeof(*p));
    int err;

    *ret_pcap = NULL;
    if (!p) {
        snprintf(why, size, "%s", strerror(ENOMEM));
        return -ENOMEM;
    }
    p->idle = idle;
    p->idle_arg = idle_arg;
    err = open_file(p, path);
    if (err) {
        snprintf(why, size, "%s", strerror(-err));
        goto out;
    }
    p->pcap = pcap_fopen_offline_with_tstamp_precision(p->file, PCAP_TSTAMP_PRECISION_NANO, p->why);
    if (!p->pcap) {
        snprintf(why, size, "not a capture: %s", p->why);
        err = -EPROTO;
        goto out;
    }
    p->file = NULL;
    int dlt = pcap_datalink(p->pcap);
    err = link_of(dlt, &p->link);
    if (err) {
        const char *name = pcap_datalink_val_to_name(dlt);
        snprintf(why, size, "link type %s (%d) is not supported", name ? name : "unknown", dlt);
        goto out;
    }
    *ret_pcap = p;
    p = NULL;
out:
    sw_pcap_close(p);
    return err;
}

void sw_pcap_close(struct sw_pcap *p)
{
    if (!p)
        return;
    if (p->pcap)
        pcap_close(p->pcap); /* closes the file */
    if (p->file)
        fclose(p->file);
    free(p->frame);
    free(p);
}

__u64 sw_pcap_frames_max(const struct sw_pcap *p)
{
    struct stat st;

    if (fstat(p->fd, &st) || !S_ISREG(st.st_mode))
        return ~0ULL;
    return (__u64)st.st_size / (16 + 40); /* record header, IPv4 and TCP */
}

const char *sw_pcap_why(const struct sw_pcap *p)
{
    return p->why;
}

static __u64 frame_time(const struct pcap_pkthdr *h)
{
    if (h->ts.tv_sec < 0)
        return 0;
    if (h->ts.tv_sec > TS_SECONDS_MAX)
        return TS_SECONDS_MAX * SW_SECOND;
    __u64 ns = h->ts.tv_usec < 0 ? 0 : (__u64)h->ts.tv_usec; /* nanoseconds, at the precision we asked for */
    return (__u64)h->ts.tv_sec * SW_SECOND + (ns < SW_SECOND ? ns : SW_SECOND - 1);
}

static int rewrite(struct sw_pcap *p, const __u8 *data, __u32 len, struct sw_frame *ret_frame)
{
    struct link link;

    if (!p->link(data, len, &link)) {
        ret_frame->len = 0;
        return 0;
    }
    size_t need = ETH_HLEN + (size_t)(len - link.skip);
    if (need > p->frame_size) {
        __u8 *frame = realloc(p->frame, need + 4096);
        if (!frame)
            return -ENOMEM;
        p->frame = frame;
        p->frame_size = need + 4096;
    }
    memset(p->frame, 0, 2 * ETH_ALEN);
    p->frame[12] = link.type >> 8;
    p->frame[13] = link.type & 0xff;
    memcpy(p->frame + ETH_HLEN, data + link.skip, len - link.skip);
    ret_frame->data = p->frame;
    ret_frame->wire = ret_frame->wire - len + (__u32)need;
    ret_frame->len = (__u32)need;
    return 0;
}

int sw_pcap_next(struct sw_pcap *p, struct sw_frame *ret_frame)
{
    struct pcap_pkthdr *h;
    const __u8 *data;

    int n = pcap_next_ex(p->pcap, &h, &data);
    if (n == PCAP_ERROR_BREAK)
        return 0;
    if (n != 1) {
        snprintf(p->why, sizeof(p->why), "%s", pcap_geterr(p->pcap));
        return -EIO;
    }
    *ret_frame = (struct sw_frame){
        .data = data, .len = h->caplen, .wire = h->len > h->caplen ? h->len : h->caplen, .ts = frame_time(h)};
    if (!p->link)
        return 1;
    int err = rewrite(p, data, h->caplen, ret_frame);
    if (err) {
        snprintf(p->why, sizeof(p->why), "%s", strerror(-err));
        return err;
    }
    return 1;
}

const char *sw_pcap_version(void)
{
    return pcap_lib_version();
}
