/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The files of which the page is made (page.html, page.css, the scripts), as text within the program. */
#ifndef SW_PAGE_ASSETS_H
#define SW_PAGE_ASSETS_H

#define SW_ASSETS(X)                                                                                                   \
    X(body, "page.html")                                                                                               \
    X(style, "page.css")                                                                                               \
    X(draw, "draw.js")                                                                                                 \
    X(charts, "charts.js")                                                                                             \
    X(ladder, "ladder.js")                                                                                             \
    X(guard, "guard.js")                                                                                               \
    X(servers, "servers.js")                                                                                           \
    X(table, "table.js")                                                                                               \
    X(main, "main.js")

#define SW_ASSET_DECLARE(id, file) extern const char sw_asset_##id[];
SW_ASSETS(SW_ASSET_DECLARE)

#endif
