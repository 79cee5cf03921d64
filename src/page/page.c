/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "page/page.h"

#include "page/assets.h"
#include "page/data.h"

#include <sha2.h>
#include <string.h>
#include <sys/types.h>

enum { HASH_TEXT = 44 }; /* 32 bytes in base64 */

static const char *const scripts[] = {sw_asset_draw,    sw_asset_charts, sw_asset_ladder, sw_asset_guard,
                                      sw_asset_servers, sw_asset_table,  sw_asset_main};

static void hash_scripts(char ret_text[HASH_TEXT + 1])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    __u8 hash[SHA256_DIGEST_LENGTH + 1] = {0};
    SHA2_CTX ctx;
    char *p = ret_text;

    SHA256Init(&ctx);
    for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++)
        SHA256Update(&ctx, (const __u8 *)scripts[i], strlen(scripts[i]));
    SHA256Final(hash, &ctx);
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i += 3) {
        __u32 v = hash[i] << 16 | hash[i + 1] << 8 | (i + 2 < SHA256_DIGEST_LENGTH ? hash[i + 2] : 0);
        for (int shift = 18; shift >= 0; shift -= 6)
            *p++ = letters[v >> shift & 63];
    }
    ret_text[HASH_TEXT - 1] = '=';
    ret_text[HASH_TEXT] = 0;
}

static void write_row(void *arg, const struct sw_row *row)
{
    FILE *out = arg;

    for (size_t i = 0; i < row->len; i++) {
        if (row->text[i] == '<')
            fputs("\\u003c", out);
        else
            putc(row->text[i], out);
    }
    putc('\n', out);
}

void sw_page_write(struct sw_tally *t, const char *const *files, FILE *out)
{
    char hash[HASH_TEXT + 1];

    hash_scripts(hash);
    fprintf(out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
            "script-src 'sha256-%s'\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<meta name=\"color-scheme\" content=\"light dark\">\n"
            "<meta name=\"generator\" content=\"synward " SW_VERSION "\">\n<title>synward report</title>\n<style>\n%s"
            "</style>\n</head>\n<body>\n%s",
            hash, sw_asset_style, sw_asset_body);
    fputs("<script type=\"application/json\" id=\"data\">\n", out);
    sw_page_data(t, files, out);
    fputs("</script>\n<script type=\"text/plain\" id=\"lines\">\n", out);
    sw_rows_each(&t->rows, write_row, out);
    fputs("</script>\n<script>", out);
    for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++)
        fputs(scripts[i], out);
    fputs("</script>\n</body>\n</html>\n", out);
}
