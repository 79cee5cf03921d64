/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/pcapng.h"
#include "base/array.h"
#include "output/names.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* draft-ietf-opsawg-pcapng sections 4.1, 4.2, 4.3, 3.5 */
enum { BLOCK_SECTION = 0x0a0d0d0a, BLOCK_INTERFACE = 1, BLOCK_PACKET = 6 };
enum { BYTE_ORDER_MAGIC = 0x1a2b3c4d, LINKTYPE_ETHERNET = 1, NANOSECONDS = 9, FLAG_INBOUND = 1 };
enum { OPT_END = 0, OPT_COMMENT = 1, OPT_USERAPPL = 4, OPT_IF_NAME = 2, OPT_IF_TSRESOL = 9, OPT_EPB_FLAGS = 2 };

#define BLOCK_MAX 512 /* the longest: a packet block of SW_CAPTURE_BYTES and about 80 of comment */

struct block {
    __u8 bytes[BLOCK_MAX];
    __u32 len;
};

struct iface {
    __u32 ifindex;
    __s64 id; /* of its interface block; -1: not written under this name */
    char name[IF_NAMESIZE];
};

struct sw_pcapng {
    int fd;
    bool full;
    __u64 len, max;
    __s64 clock_offset;
    struct iface *ifaces;
    size_t ifaces_len, ifaces_room;
    __u32 ids; /* interface blocks so far */
};

/* All fields are in this machine's byte order, which the magic number shows. Fields are padded to 32 bits. */
static void put(struct block *b, const void *data, __u32 len)
{
    __u32 padded = (len + 3) & ~3u;

    memcpy(b->bytes + b->len, data, len);
    memset(b->bytes + b->len + len, 0, padded - len);
    b->len += padded;
}

static void put32(struct block *b, __u32 value)
{
    put(b, &value, sizeof(value));
}

static void put_option(struct block *b, __u16 code, const void *data, __u16 len)
{
    __u16 head[2] = {code, len};

    put(b, head, sizeof(head));
    put(b, data, len);
}

static void begin(struct block *b, __u32 type)
{
    b->len = 0;
    put32(b, type);
    put32(b, 0); /* total length */
}

static void end(struct block *b)
{
    __u32 len;

    put_option(b, OPT_END, "", 0);
    len = b->len + sizeof(len);
    put32(b, len);
    memcpy(b->bytes + 4, &len, sizeof(len));
}

/* What a disk that is full left of a block is cut off again. */
static int write_whole(struct sw_pcapng *p, const struct block *b)
{
    ssize_t n;

    do
        n = pwrite(p->fd, b->bytes, b->len, p->len);
    while (n < 0 && errno == EINTR);
    if (n == b->len) {
        p->len += n;
        return 0;
    }
    n = n < 0 ? -errno : -ENOSPC;
    return ftruncate(p->fd, p->len) ? -errno : n;
}

static int write_section(struct sw_pcapng *p)
{
    const char *by = "synward " SW_VERSION;
    const __u16 version[2] = {1, 0};
    const __s64 unknown = -1;
    struct block b;

    begin(&b, BLOCK_SECTION);
    put32(&b, BYTE_ORDER_MAGIC);
    put(&b, version, sizeof(version));
    put(&b, &unknown, sizeof(unknown)); /* length of the section */
    put_option(&b, OPT_USERAPPL, by, strlen(by));
    end(&b);
    return write_whole(p, &b);
}

static void interface_block(struct block *b, const struct iface *iface)
{
    const __u16 link[2] = {LINKTYPE_ETHERNET, 0};
    const __u8 resolution = NANOSECONDS;

    begin(b, BLOCK_INTERFACE);
    put(b, link, sizeof(link));
    put32(b, SW_CAPTURE_BYTES);
    put_option(b, OPT_IF_NAME, iface->name, strlen(iface->name));
    put_option(b, OPT_IF_TSRESOL, &resolution, sizeof(resolution));
    end(b);
}

static void packet_block(struct block *b, const struct sw_capture *c, __u32 id, __u64 unix_ns)
{
    const __u32 inbound = FLAG_INBOUND;
    char comment[80];
    int len = snprintf(comment, sizeof(comment), "synward: %s (%s)", c->dry_run ? "would drop" : "dropped",
                       sw_name_drop(c->reason)->text);

    begin(b, BLOCK_PACKET);
    put32(b, id);
    put32(b, unix_ns >> 32);
    put32(b, unix_ns);
    put32(b, c->cap);
    put32(b, c->len);
    put(b, c->frame, c->cap);
    put_option(b, OPT_COMMENT, comment, len);
    put_option(b, OPT_EPB_FLAGS, &inbound, sizeof(inbound));
    end(b);
}

static struct iface *find_iface(struct sw_pcapng *p, __u32 ifindex)
{
    for (size_t i = 0; i < p->ifaces_len; i++)
        if (p->ifaces[i].ifindex == ifindex)
            return &p->ifaces[i];
    return NULL;
}

int sw_pcapng_set_iface(struct sw_pcapng *p, __u32 ifindex, const char *name)
{
    struct iface *iface = find_iface(p, ifindex), *more;

    if (iface && !strncmp(iface->name, name, sizeof(iface->name) - 1))
        return 0;
    if (!iface) {
        more = sw_array_room(p->ifaces, &p->ifaces_room, p->ifaces_len + 1, sizeof(*more));
        if (!more)
            return -ENOMEM;
        p->ifaces = more;
        iface = &more[p->ifaces_len++];
        iface->ifindex = ifindex;
    }
    snprintf(iface->name, sizeof(iface->name), "%s", name);
    iface->id = -1;
    return 0;
}

void sw_pcapng_set_clock(struct sw_pcapng *p, __s64 clock_offset_ns)
{
    p->clock_offset = clock_offset_ns;
}

/* An interface block comes with its first frame. */
static int get_iface(struct sw_pcapng *p, __u32 ifindex, struct iface **ret)
{
    char unnamed[IF_NAMESIZE];
    int err;

    *ret = find_iface(p, ifindex);
    if (*ret)
        return 0;
    snprintf(unnamed, sizeof(unnamed), "#%u", ifindex);
    err = sw_pcapng_set_iface(p, ifindex, unnamed);
    *ret = find_iface(p, ifindex);
    return err;
}

int sw_pcapng_add(struct sw_pcapng *p, const struct sw_capture *c)
{
    struct block head = {.len = 0}, packet;
    struct iface *iface;
    int err;

    if (p->full)
        return 1;
    if (c->cap > SW_CAPTURE_BYTES || c->cap > c->len)
        return -EINVAL;
    err = get_iface(p, c->ifindex, &iface);
    if (err)
        return err;
    if (iface->id < 0)
        interface_block(&head, iface);
    packet_block(&packet, c, iface->id < 0 ? p->ids : iface->id, c->ts + p->clock_offset);
    if (p->len + head.len + packet.len > p->max) {
        p->full = true;
        return 1;
    }
    if (head.len) {
        err = write_whole(p, &head);
        if (err)
            return err;
        iface->id = p->ids++;
    }
    return write_whole(p, &packet);
}

/* A link is not followed, since who may write its directory could aim it anywhere. */
static int create(const char *path)
{
    struct stat st;
    int fd;

    if (!lstat(path, &st)) {
        if (S_ISLNK(st.st_mode))
            return -ELOOP;
        if (!S_ISREG(st.st_mode))
            return -EINVAL;
        if (unlink(path))
            return -errno;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : fd;
}

int sw_pcapng_open(const char *path, __u64 max_bytes, __s64 clock_offset_ns, struct sw_pcapng **ret)
{
    struct sw_pcapng *p;
    int err;

    *ret = NULL;
    if (max_bytes < 3 * BLOCK_MAX) /* section, interface, frame */
        return -EINVAL;
    p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->max = max_bytes;
    p->clock_offset = clock_offset_ns;
    p->fd = create(path);
    err = p->fd < 0 ? p->fd : write_section(p);
    if (!err) {
        *ret = p;
        return 0;
    }
    if (p->fd >= 0) {
        close(p->fd);
        unlink(path);
    }
    free(p);
    return err;
}

int sw_pcapng_close(struct sw_pcapng *p)
{
    int err;

    if (!p)
        return 0;
    err = close(p->fd) ? -errno : 0;
    free(p->ifaces);
    free(p);
    return err;
}
