/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The assembler reads them: no tool beside the compiler is needed, and paths are those from the Makefile. */
#include "page/assets.h"

#define SW_ASSET_EMBED(id, file)                                                                                       \
    __asm__(".pushsection .rodata\n"                                                                                   \
            ".global sw_asset_" #id "\n"                                                                               \
            "sw_asset_" #id ":\n"                                                                                      \
            ".incbin \"src/page/" file "\"\n"                                                                          \
            ".byte 0\n"                                                                                                \
            ".popsection\n");
SW_ASSETS(SW_ASSET_EMBED)
