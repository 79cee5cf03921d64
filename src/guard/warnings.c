/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/warnings.h"

#include "guard/services_state.h"

#include <stdio.h>

/* What people are warned of, each once. */
enum warning {
    W_COOKIES_OFF,
    W_SLOTS,
    W_CHAIN,
    W_ADDRESSES,
    W_NO_REQSK,
    W_MPTCP,
    W_LISTENER,
    W_SILENT,
    W_LOOSE,
    W_REVERSE_PATH,
    W_OWN,
    W_MAX
};

#define AGAIN_NS (60 * SW_SECOND) /* what a user can cause at will is logged no more often */

#define SAY(...) snprintf(s->text, sizeof(s->text), __VA_ARGS__)

/* The kernel's own cookies, why these, and what is lost with them. */
static void say_listener(struct sw_services *s)
{
    const struct sw_tcp_sysctls *c = &s->sysctls;
    const char *lost =
        c->timestamps == 2
            ? "window scale and SACK survive only for clients that send timestamps"
            : "connections established by one lose window scale and SACK (net.ipv4.tcp_timestamps=2 keeps "
              "them for clients that send timestamps)";
    const char *late = c->syncookies == 2 ? ""
                                          : "; with net.ipv4.tcp_syncookies=1 they begin only once a listener's queue "
                                            "is full, with 2 at once";

    SAY("%zu of %zu services use the kernel's own cookies: %s%s", s->sum.listener, s->sum.live, lost, late);
}

/* What people are warned of more than once: when it is more than the last time. */
static bool left_out(struct sw_services *s, enum warning w, struct sw_said *said, size_t count)
{
    if (!count)
        said->count = 0;
    if (count <= said->count || s->now < said->next)
        return false;
    s->warned &= ~(1u << w);
    said->count = count;
    said->next = s->now + AGAIN_NS;
    return true;
}

static void say_slots(struct sw_services *s)
{
    const struct sw_table_sum *sum = &s->sum;
    char who[64] = "";

    if (sum->most > (SW_SERVICES - 1) / SW_SHARE_PART)
        snprintf(who, sizeof(who), " (%zu are of uid %u)", sum->most, sum->most_uid);
    SAY("%zu listening sockets are not protected%s: the limit is %d%s; name those that matter with --protect",
        sum->no_slot, s->opts->accept ? ", and take no cookie of an edge" : "", SW_SERVICES - 1, who);
}

/* Again for another reason, and after there was none. */
static bool say_reverse_path(struct sw_services *s)
{
    const char *trouble = sw_reverse_path_trouble(s->reverse_path);

    if (trouble != s->reverse_path_said)
        s->warned &= ~(1u << W_REVERSE_PATH);
    s->reverse_path_said = trouble;
    SAY("the reverse path of SYNs is not checked: %s", trouble ? trouble : "");
    return trouble;
}

static bool say(struct sw_services *s, enum warning w)
{
    const struct sw_table_sum *sum = &s->sum;

    switch (w) {
    case W_COOKIES_OFF:
        if (s->opts->gateway || !sw_tcp_sysctls_refusal(&s->sysctls)) {
            s->warned &= ~(1u << w); /* may be logged again */
            return false;
        }
        SAY("no SYN is answered: %s", sw_tcp_sysctls_refusal(&s->sysctls));
        return true;
    case W_SLOTS: say_slots(s); return left_out(s, w, &s->slots_said, sum->no_slot);
    case W_CHAIN:
        SAY("%zu listening sockets are not protected: port %u has more than %d addresses", sum->no_chain, sum->crowded,
            SW_CHAIN);
        return left_out(s, w, &s->chain_said, sum->no_chain);
    case W_ADDRESSES:
        SAY("%zu addresses of this host are not protected where a service listens on any address: the limit is %d",
            s->addresses_left_out, SW_LOCAL_IPS / 2);
        return s->addresses_left_out;
    case W_NO_REQSK:
        SAY("--cookie reqsk is not to be had here: the kernel's own cookies are used");
        return s->opts->backend == SW_BK_REQSK && !s->reqsk && !s->opts->gateway;
    case W_MPTCP:
        SAY("%zu services listen on MPTCP sockets, which take the kernel's own cookies only", sum->mptcp);
        return s->opts->backend == SW_BK_REQSK && s->reqsk && sum->mptcp;
    case W_LISTENER: say_listener(s); return sum->listener;
    case W_SILENT:
        SAY("%zu of the services named by --protect have no listener: they are not guarded until they have one",
            sum->no_listener);
        return sum->no_listener;
    case W_LOOSE:
        SAY("nf_conntrack_tcp_loose is 0: connection tracking takes the first packet that it sees of a client behind a "
            "cookie for invalid, and rules that drop such packets shut the client out; "
            "'sysctl net.netfilter.nf_conntrack_tcp_loose=1' lets it in");
        return !s->sysctls.loose;
    case W_REVERSE_PATH: return say_reverse_path(s);
    case W_OWN:
        SAY("%zu of the addresses named by --protect are this host's own: a gateway does not guard those", s->nets_own);
        return s->nets_own;
    default: return false;
    }
}

const char *sw_services_warning(struct sw_services *s)
{
    for (int w = 0; w < W_MAX; w++) {
        if (!say(s, w) || s->warned & 1u << w) /* say() may have cleared it */
            continue;
        s->warned |= 1u << w;
        return s->text;
    }
    return NULL;
}
