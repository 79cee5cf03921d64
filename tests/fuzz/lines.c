/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Event lines read back, and the page that is made of them. Any file, plain or gzip, ends; each line of it is an
 * object, broken, or empty; what is taken stays what was read. The page's numbers are JSON, and no text of the lines
 * can end the element in which they stand. A ladder is drawn in 80 columns of ASCII, and as an image of one root
 * element.
 */
#include "fuzz.h"
#include "ladder/line.h"
#include "page/data.h"
#include "page/page.h"

#include <errno.h>
#include <json-c/json.h>
#include <zlib.h>

/* The input as gzip, all of it or cut: a member that is whole is as likely to be found as a broken one. */
static size_t zip(const __u8 *data, size_t size, __u8 *to, size_t room)
{
    z_stream z = {.next_in = (__u8 *)data, .avail_in = size, .next_out = to, .avail_out = room};

    if (deflateInit2(&z, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    deflateEnd(&z);
    return room - z.avail_out;
}

/* Of text: lines of at most 80 columns, printable. Of an image: as many < as > outside of text. */
static void check_ladder(const struct sw_line *line)
{
    static const struct sw_filter all;
    struct sw_ladder_conn c;
    char *text = NULL;
    size_t len, columns = 0;
    long open = 0;
    FILE *out;

    if (sw_ladder_of_line(line, &all, &c) != SW_LADDER_OK)
        return;
    holds(c.len <= SW_LADDER, "%zu steps", c.len);
    out = open_memstream(&text, &len);
    if (!out)
        abort();
    sw_ladder_text(&c, false, out);
    fclose(out);
    for (size_t i = 0; i < len; i++) {
        columns = text[i] == '\n' ? 0 : columns + 1;
        holds(columns <= 80 && (text[i] == '\n' || (text[i] >= ' ' && text[i] < 0x7f)), "column %zu of: %s", columns,
              text);
    }
    free(text);
    out = open_memstream(&text, &len);
    if (!out)
        abort();
    sw_ladder_svg(&c, 1, out);
    fclose(out);
    for (size_t i = 0; i < len; i++)
        open += (text[i] == '<') - (text[i] == '>');
    holds(!open && !strncmp(text, "<svg ", 5) && !strcmp(text + len - 7, "</svg>\n"), "image: %s", text);
    free(text);
}

static void read_all(struct sw_tally *t, const char *path, bool plain)
{
    const struct sw_ndjson_counts *c;
    const struct sw_line *line;
    struct sw_ndjson *n;
    int got;

    if (sw_ndjson_open(path, &n))
        abort();
    c = sw_ndjson_counts(n);
    sw_tally_file(t);
    while ((got = sw_ndjson_next(n, &line)) == 1) {
        size_t len;
        const char *text = sw_ndjson_text(n, &len);
        holds(len && !memchr(text, '\n', len), "a line of %zu bytes", len);
        holds(!sw_tally_add(t, line, text, len), "line %llu", (unsigned long long)c->read);
        check_ladder(line);
    }
    holds(got == 0 || (got == -EILSEQ && !plain), "it ends with %d", got);
    holds(c->events + c->broken <= c->read && !c->broken == !c->first_broken && c->first_broken <= c->read,
          "%llu lines, %llu objects, %llu broken, the first %llu", (unsigned long long)c->read,
          (unsigned long long)c->events, (unsigned long long)c->broken, (unsigned long long)c->first_broken);
    if (got) /* what was read of a last line before the damage may be whole */
        holds(sw_ndjson_next(n, &line) >= 0, "damaged twice");
    holds(sw_ndjson_next(n, &line) == 0, "more after the end");
    sw_tally_counts(t, c, path);
    sw_ndjson_close(n);
}

static char *written(struct sw_tally *t, const char *name,
                     void (*write)(struct sw_tally *, const char *const *, FILE *))
{
    const char *files[] = {name, NULL};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        abort();
    write(t, files, out);
    fclose(out);
    holds(len == strlen(text), "a NUL in the page");
    return text;
}

static void check_page(struct sw_tally *t, const char *name)
{
    char *data = written(t, name, sw_page_data), *page = written(t, name, sw_page_write);
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *object;
    int scripts = 0;

    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    object = json_tokener_parse_ex(tokener, data, (int)strlen(data));
    holds(object, "the numbers are no JSON: %s", data);
    holds(!strchr(data, '<'), "a '<' in the numbers: %s", data);
    json_object_put(object);
    json_tokener_free(tokener);
    for (const char *p = page; (p = strstr(p, "<script")); p++)
        scripts++;
    holds(scripts == 3, "%d elements of scripts", scripts);
    free(data);
    free(page);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    static __u8 packed[1 << 20];
    struct sw_tally *t;
    char *name;

    if (size < 1 || size > 65536)
        return 0;
    if (sw_tally_new(3, &t))
        abort();
    if (data[0] & 1) {
        size_t len = zip(data + 1, size - 1, packed, sizeof(packed));
        read_all(t, fuzz_file(packed, data[0] & 2 ? len : len - len * (data[0] >> 2) / 64), false);
    } else {
        read_all(t, fuzz_file(data + 1, size - 1), size < 3 || data[1] != 0x1f || data[2] != 0x8b);
    }
    struct fuzz_in in = {data, data + size};
    name = fuzz_text(&in, '\n');
    check_page(t, name);
    free(name);
    sw_tally_free(t);
    return 0;
}
