/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Real listeners come and go: the tables that the kernel side reads. */
#include "listen.h"
#include "guard/services.h"
#include "guard/warnings.h"

TEST(what_listens_is_a_service)
{
    NEEDS_ROOT();
    listener("0.0.0.0", 8001, 0);
    listener("::", 8002, 0);
    listener("::", 8003, L_DUAL);
    listener("10.9.8.7", 8004, 0);
    listener("2001:db8::7", 8005, 0);
    listener("127.0.0.1", 8006, 0);
    listener("127.9.9.9", 8006, 0);
    listener("::1", 8006, 0);
    listener("::ffff:127.0.0.2", 8006, L_DUAL);
    listener("::ffff:10.9.8.7", 8007, L_DUAL);
    listener("::ffff:0.0.0.0", 8008, L_DUAL);
    for (int i = 0; i < 3; i++)
        listener("0.0.0.0", 8009, L_REUSE);
    listener("0.0.0.0", 8010, L_ON_LO);
    begin(true);
    assert_int_equal(services_used(), 8);
    seen(service(NULL, 8001, SW_ANY_4));
    seen(service(NULL, 8002, SW_ANY_6));
    seen(service(NULL, 8003, SW_ANY_4 | SW_ANY_6));
    seen(service("10.9.8.7", 8004, 0));
    seen(service("2001:db8::7", 8005, 0));
    seen(service("10.9.8.7", 8007, 0));
    seen(service(NULL, 8008, SW_ANY_4));
    seen(service(NULL, 8009, SW_ANY_4));
    assert_int_equal(first_of(8006), 0);
    assert_int_equal(first_of(8010), 0);
    for (__u32 i = 1; i < SW_SERVICES; i++) {
        const struct sw_service *sv = sw_services_at(fx.s, i);

        if (!sv->port)
            continue;
        assert_int_equal(sv->mode, SW_GM_AUTO);
        assert_int_equal(sv->backend, SW_BK_REQSK);
        assert_int_equal(sv->flags, 0);
        assert_int_equal(sv->state, SW_GS_CALM);
        assert_int_equal(sv->mss[0], 1360);
        assert_int_equal(sv->mss[1], 1340);
        assert_true(sv->win > 1360);
    }
    assert_null(sw_services_warning(fx.s));
}

TEST(addresses_come_before_wildcards)
{
    static const char *const addrs[] = {"10.9.8.3", "10.9.8.1", "2001:db8::7"};
    __u32 at;
    int i = 0, gone;

    NEEDS_ROOT();
    listener("0.0.0.0", 9000, L_REUSE);
    listener("::", 9000, L_REUSE);
    begin(true);
    gone = listener("10.9.8.9", 9000, L_REUSE);
    for (int k = 0; k < 3; k++) {
        listener(addrs[k], 9000, L_REUSE);
        refresh();
    }
    assert_int_equal(chain_of(9000), 6);
    for (at = first_of(9000); at; at = seen(at)->next, i++)
        assert_int_equal(!!seen(at)->any, i >= 4);
    /* and what is gone comes last, so that it hides nobody */
    shut(gone);
    refresh();
    for (at = first_of(9000), i = 0; at; at = seen(at)->next, i++)
        assert_int_equal(!!(seen(at)->flags & SW_SV_NO_LISTENER), i == 5);
    assert_int_equal(i, 6);
    refresh();
    assert_int_equal(chain_of(9000), 5);
    assert_int_equal(service("10.9.8.9", 9000, 0), 0);
}

TEST(a_dual_stack_wildcard_yields_to_one_of_ipv4)
{
    __u32 dual;
    int fd;

    NEEDS_ROOT();
    listener("::", 9001, L_DUAL | L_REUSE);
    begin(true);
    dual = service(NULL, 9001, SW_ANY_4 | SW_ANY_6);
    assert_int_not_equal(dual, 0);
    fd = listener("0.0.0.0", 9001, L_REUSE);
    refresh();
    assert_int_equal(service(NULL, 9001, SW_ANY_6), dual);
    assert_int_not_equal(service(NULL, 9001, SW_ANY_4), 0);
    shut(fd);
    refresh();
    assert_int_equal(service(NULL, 9001, SW_ANY_4 | SW_ANY_6), dual);
    refresh();
    assert_int_equal(chain_of(9001), 1);
}

/* Whatever comes and goes, the others keep their slots, and what the kernel side wrote stays. */
TEST(a_slot_is_kept)
{
    struct sw_service *sv;
    struct sw_service want;
    __u32 kept, other;
    int fd;

    NEEDS_ROOT();
    fd = listener("0.0.0.0", 9100, 0);
    listener("0.0.0.0", 9101, 0);
    begin(true);
    kept = service(NULL, 9101, SW_ANY_4);
    other = service(NULL, 9100, SW_ANY_4);
    sv = sw_services_at(fx.s, kept);
    sv->mode = SW_GM_MONITOR;
    sv->state = SW_GS_ENGAGED;
    sv->cause = SW_GW_SYN_RATE;
    sv->rate_exceeded = 2;
    sv->wscale = 3; /* learned */
    sv->evaluating = 1;
    sv->since = sv->due = sv->last_busy = sv->half_open = sv->syn_rate = sv->completed_rate = sv->tick = 77;
    sv->elsewhere = 78;
    want = *sv;
    shut(fd);
    listener("0.0.0.0", 9099, 0);
    listener("0.0.0.0", 9102, 0);
    for (int i = 0; i < 3; i++)
        refresh();
    assert_int_equal(service(NULL, 9101, SW_ANY_4), kept);
    assert_memory_equal(sv, &want, sizeof(want));
    assert_int_equal(first_of(9100), 0);
    assert_int_equal(sw_services_at(fx.s, other)->port, 0);
    /* a new one takes the free slot, clean */
    sw_services_at(fx.s, other)->state = SW_GS_ENGAGED;
    listener("0.0.0.0", 9103, 0);
    refresh();
    assert_int_equal(service(NULL, 9103, SW_ANY_4), other);
    assert_int_equal(seen(other)->state, SW_GS_CALM);
    assert_int_equal(seen(other)->mode, SW_GM_AUTO);
}

TEST(a_listener_that_is_back_at_once_is_the_same_service)
{
    __u32 index;
    int fd;

    NEEDS_ROOT();
    fd = listener("0.0.0.0", 9110, 0);
    begin(true);
    index = service(NULL, 9110, SW_ANY_4);
    sw_services_at(fx.s, index)->mode = SW_GM_OFF;
    shut(fd);
    refresh();
    assert_int_equal(seen(index)->flags, SW_SV_NO_LISTENER);
    listener("0.0.0.0", 9110, 0);
    refresh();
    assert_int_equal(service(NULL, 9110, SW_ANY_4), index);
    assert_int_equal(seen(index)->flags, 0);
    assert_int_equal(seen(index)->mode, SW_GM_OFF);
}

TEST(an_engaged_service_stays_until_its_cookies_expired)
{
    struct sw_service *sv;
    __u32 index;
    int fd;

    NEEDS_ROOT();
    fd = listener("0.0.0.0", 9120, 0);
    begin(true);
    index = service(NULL, 9120, SW_ANY_4);
    sv = sw_services_at(fx.s, index);
    sv->state = SW_GS_ENGAGED;
    shut(fd);
    refresh();
    refresh();
    assert_int_equal(sv->flags, SW_SV_NO_LISTENER);
    sv->state = SW_GS_CALM; /* as the kernel side does */
    refresh();
    assert_int_equal(ntohs(sv->port), 9120);
    usleep(250000); /* its grace of 200 ms, in which cookies on their way still count, goes by the clock */
    refresh();
    assert_int_equal(sv->port, 0);
    assert_int_equal(first_of(9120), 0);
}

static void tally(__u32 index, struct sw_svc_counters *ret)
{
    int cpus = libbpf_num_possible_cpus();
    struct sw_svc_counters *all = calloc(cpus, sizeof(*all));

    assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(fx.obj->maps.svc_counters), &index, all), 0);
    memset(ret, 0, sizeof(*ret));
    for (int cpu = 0; cpu < cpus; cpu++) {
        ret->item[SW_T_SYNS] += all[cpu].item[SW_T_SYNS];
        ret->drop[SW_DROP_XMAS] += all[cpu].drop[SW_DROP_XMAS];
    }
    free(all);
}

/* Sums over all services never go back, and a service begins at zero. */
TEST(figures_of_the_freed_go_on_in_slot_0)
{
    int fd, counters, cpus = libbpf_num_possible_cpus();
    struct sw_svc_counters *all, got;
    __u32 index;

    NEEDS_ROOT();
    counters = bpf_map__fd(fx.obj->maps.svc_counters);
    all = calloc(cpus, sizeof(*all));
    fd = listener("0.0.0.0", 9130, 0);
    begin(true);
    index = service(NULL, 9130, SW_ANY_4);
    for (int cpu = 0; cpu < cpus; cpu++) {
        all[cpu].item[SW_T_SYNS] = 10 + cpu;
        all[cpu].drop[SW_DROP_XMAS] = 1;
    }
    for (int round = 1; round <= 2; round++) {
        assert_int_equal(bpf_map_update_elem(counters, &index, all, BPF_ANY), 0);
        shut(fd);
        refresh();
        refresh();
        tally(0, &got);
        assert_int_equal(got.item[SW_T_SYNS], round * (10 * cpus + cpus * (cpus - 1) / 2));
        assert_int_equal(got.drop[SW_DROP_XMAS], round * cpus);
        fd = listener("0.0.0.0", 9130, 0);
        refresh();
        assert_int_equal(service(NULL, 9130, SW_ANY_4), index);
        tally(index, &got);
        assert_int_equal(got.item[SW_T_SYNS], 0);
    }
    free(all);
}

TEST(bound_to_a_device)
{
    __u32 any, own;
    int fd;

    NEEDS_ROOT();
    listener("0.0.0.0", 9250, L_REUSE);
    fd = listener("0.0.0.0", 9250, L_REUSE | L_ON_D0);
    listener("10.9.8.2", 9251, L_ON_D0);
    listener("0.0.0.0", 9252, 0);
    begin(true);
    any = service(NULL, 9250, SW_ANY_4);
    own = service("10.9.8.2", 9251, 0);
    assert_int_equal(seen(any)->flags, SW_SV_BOUND); /* one of two */
    assert_int_equal(seen(own)->flags, SW_SV_BOUND);
    assert_int_equal(seen(service(NULL, 9252, SW_ANY_4))->flags, 0);
    shut(fd);
    refresh();
    assert_int_equal(seen(any)->flags, 0);
    assert_int_equal(seen(own)->flags, SW_SV_BOUND);
}

TEST(mptcp_listeners_take_the_kernels_cookies)
{
    __u32 index;
    int fd;

    NEEDS_ROOT();
    listener("0.0.0.0", 9200, L_MPTCP);
    listener("::", 9201, L_MPTCP | L_DUAL);
    fd = listener("0.0.0.0", 9202, 0);
    fx.opts.backend = SW_BK_REQSK;
    begin(true);
    assert_int_equal(seen(service(NULL, 9200, SW_ANY_4))->backend, SW_BK_LISTENER);
    assert_int_equal(seen(service(NULL, 9200, SW_ANY_4))->flags, SW_SV_MPTCP);
    assert_int_equal(seen(service(NULL, 9201, SW_ANY_4 | SW_ANY_6))->backend, SW_BK_LISTENER);
    index = service(NULL, 9202, SW_ANY_4);
    assert_int_equal(seen(index)->backend, SW_BK_REQSK);
    assert_true(warned("2 services listen on MPTCP sockets"));
    assert_null(sw_services_warning(fx.s));
    /* restarted as the other kind, and back */
    shut(fd);
    fd = listener("0.0.0.0", 9202, L_MPTCP);
    refresh();
    assert_int_equal(seen(index)->backend, SW_BK_LISTENER);
    assert_int_equal(seen(index)->flags, SW_SV_MPTCP);
    shut(fd);
    listener("0.0.0.0", 9202, 0);
    refresh();
    assert_int_equal(seen(index)->backend, SW_BK_REQSK);
    assert_int_equal(seen(index)->flags, 0);
}

TEST(only_what_is_named_is_protected)
{
    __u32 silent;
    int fd;

    NEEDS_ROOT();
    protect(NULL, 9300, SW_ANY_4 | SW_ANY_6);
    protect("10.9.8.2", 9301, 0); /* part of a wildcard */
    protect("10.9.8.3", 9302, 0); /* nobody yet */
    protect("2001:db8:1::5", 9303, 0);
    protect("192.0.2.1", 9301, 0);            /* the wildcard is there, the address is not ours */
    protect(NULL, 9303, SW_ANY_4);            /* the IPv4 half */
    protect(NULL, 9304, SW_ANY_4 | SW_ANY_6); /* nobody */
    protect("10.9.8.4", 9300, 0);             /* named twice */
    listener("10.9.8.4", 9300, 0);
    listener("10.9.8.5", 9300, 0);
    listener("::", 9300, 0);
    listener("0.0.0.0", 9301, L_MPTCP);
    listener("::", 9303, L_DUAL);
    listener("0.0.0.0", 9305, 0);
    begin(true);
    assert_int_equal(services_used(), 9);
    assert_int_equal(seen(service("10.9.8.4", 9300, 0))->flags, SW_SV_NAMED);
    assert_int_equal(seen(service("10.9.8.5", 9300, 0))->flags, SW_SV_NAMED);
    assert_int_equal(seen(service(NULL, 9300, SW_ANY_6))->flags, SW_SV_NAMED);
    assert_int_equal(seen(service("10.9.8.2", 9301, 0))->flags, SW_SV_NAMED | SW_SV_MPTCP);
    assert_int_equal(seen(service("192.0.2.1", 9301, 0))->flags, SW_SV_NAMED | SW_SV_NO_LISTENER);
    assert_int_equal(seen(service(NULL, 9303, SW_ANY_4))->flags, SW_SV_NAMED);
    assert_int_equal(seen(service(NULL, 9304, SW_ANY_4 | SW_ANY_6))->flags, SW_SV_NAMED | SW_SV_NO_LISTENER);
    silent = service("10.9.8.3", 9302, 0);
    assert_int_equal(seen(silent)->flags, SW_SV_NAMED | SW_SV_NO_LISTENER);
    assert_int_equal(first_of(9305), 0);
    assert_true(warned("4 of the services named by --protect have no listener"));
    /* it listens, stops, and its slot stays for ever */
    fd = listener("10.9.8.3", 9302, 0);
    refresh();
    assert_int_equal(service("10.9.8.3", 9302, 0), silent);
    assert_int_equal(seen(silent)->flags, SW_SV_NAMED);
    shut(fd);
    for (int i = 0; i < 3; i++)
        refresh();
    assert_int_equal(service("10.9.8.3", 9302, 0), silent);
    assert_int_equal(seen(silent)->flags, SW_SV_NAMED | SW_SV_NO_LISTENER);
    /* ours by a route for a whole prefix */
    assert_int_equal(run("PATH=$PATH:/sbin:/usr/sbin; ip route add local 192.0.2.0/29 dev lo; "
                         "ip -6 route add local 2001:db8:1::/64 dev lo"),
                     0);
    refresh();
    assert_int_equal(seen(service("2001:db8:1::5", 9303, 0))->flags, SW_SV_NAMED);
    assert_int_equal(seen(service("192.0.2.1", 9301, 0))->flags, SW_SV_NAMED | SW_SV_MPTCP);
    assert_int_equal(run("PATH=$PATH:/sbin:/usr/sbin; ip route del local 192.0.2.0/29 dev lo && "
                         "ip -6 route del local 2001:db8:1::/64 dev lo && "
                         "ip route add 192.0.2.0/29 dev d0"),
                     0);
    refresh();
    assert_true(seen(service("192.0.2.1", 9301, 0))->flags & SW_SV_NO_LISTENER);
    assert_int_equal(run("PATH=$PATH:/sbin:/usr/sbin; ip route del 192.0.2.0/29 dev d0"), 0);
    /* the address becomes ours, and is lost again */
    assert_int_equal(run("PATH=$PATH:/sbin:/usr/sbin; ip addr add 192.0.2.1/32 dev d0"), 0);
    refresh();
    assert_int_equal(seen(service("192.0.2.1", 9301, 0))->flags, SW_SV_NAMED | SW_SV_MPTCP);
    assert_int_equal(run("PATH=$PATH:/sbin:/usr/sbin; ip addr del 192.0.2.1/32 dev d0"), 0);
    refresh();
    assert_true(seen(service("192.0.2.1", 9301, 0))->flags & SW_SV_NO_LISTENER);
}

TEST(more_addresses_on_a_port_than_a_chain_holds)
{
    char addr[32];

    NEEDS_ROOT();
    for (int i = 1; i <= 9; i++) {
        snprintf(addr, sizeof(addr), "10.9.8.%d", i);
        listener(addr, 9400, L_REUSE);
    }
    listener("0.0.0.0", 9400, L_REUSE);
    begin(true);
    assert_int_equal(chain_of(9400), SW_CHAIN);
    assert_int_not_equal(service(NULL, 9400, SW_ANY_4), 0); /* covers those that are left out */
    assert_true(warned("2 listening sockets are not protected: port 9400"));
    refresh();
    assert_null(sw_services_warning(fx.s));
}

TEST(more_listeners_than_slots)
{
    NEEDS_ROOT();
    for (int i = 0; i < SW_SERVICES + 6; i++)
        listener("0.0.0.0", 20000 + i, 0);
    begin(true);
    assert_int_equal(services_used(), SW_SERVICES - 1);
    assert_true(warned("7 listening sockets are not protected: the limit is 1023"));
    /* places that become free are taken */
    for (int i = 0; i < 100; i++)
        shut(fx.fds[i]);
    refresh();
    refresh();
    refresh();
    assert_int_equal(services_used(), SW_SERVICES + 6 - 100);
    for (int i = 0; i < SW_SERVICES + 6; i++)
        assert_int_equal(!!first_of(20000 + i), i >= 100);
}

enum { ALICE = 1000, BOB = 1001, FULL = SW_SERVICES - 1, SHARE = FULL / 4 };

static int places_from(int first, int len)
{
    int n = 0;

    for (int i = 0; i < len; i++)
        n += !!first_of(first + i);
    return n;
}

/* Attack: one user fills the table before others begin to listen. */
TEST(a_user_does_not_keep_others_out)
{
    struct sw_guard *guard;
    char before[FULL + 7];
    __u32 index;
    int fd;

    NEEDS_ROOT();
    for (int i = 0; i < FULL + 7; i++)
        listener_of(ALICE, "0.0.0.0", 20000 + i, 0);
    begin(true);
    guard = sw_services_guard(fx.s);
    assert_int_equal(services_used(), FULL); /* there was room */
    assert_int_equal(guard->unprotected, 7);
    assert_true(warned("7 listening sockets are not protected: the limit is 1023 (1023 are of uid 1000)"));
    /* a port that needs a privilege, though all services are under attack */
    for (__u32 i = 1; i < SW_SERVICES; i++) {
        struct sw_service *sv = sw_services_at(fx.s, i);

        sv->state = SW_GS_ENGAGED;
        sv->enforcing = 1;
    }
    guard->active = guard->engaged = FULL;
    listener_of(BOB, "0.0.0.0", 443, 0);
    refresh();
    assert_int_equal(first_of(443), 0); /* readers leave the slot before it is taken again */
    refresh();
    index = service(NULL, 443, SW_ANY_4);
    assert_int_equal(seen(index)->state, SW_GS_CALM);
    assert_int_equal(seen(index)->evaluating, 0);
    assert_int_equal(guard->active, FULL - 1);
    assert_int_equal(guard->engaged, FULL - 1);
    assert_int_equal(services_used(), FULL);
    assert_int_equal(guard->unprotected, 8);
    /* root's, and of another user as many as the share */
    listener("0.0.0.0", 9500, 0);
    for (int i = 0; i < SHARE + 10; i++)
        listener_of(BOB, "0.0.0.0", 10000 + i, 0);
    for (int i = 0; i < 3; i++)
        refresh();
    assert_int_not_equal(first_of(9500), 0);
    assert_int_equal(places_from(10000, SHARE + 10), SHARE);
    assert_int_equal(services_used(), FULL);
    /* and then it stays so, whatever else Alice opens */
    listener_of(ALICE, "0.0.0.0", 9600, 0);
    for (int i = 0; i < FULL + 7; i++)
        before[i] = !!first_of(20000 + i);
    for (int i = 0; i < 4; i++)
        refresh();
    assert_int_equal(first_of(9600), 0);
    for (int i = 0; i < FULL + 7; i++)
        assert_int_equal(!!first_of(20000 + i), before[i]);
    assert_null(sw_services_warning(fx.s)); /* not again within a minute */
    /* what is restarted has its place again */
    fd = listener("0.0.0.0", 9501, 0);
    refresh();
    refresh();
    assert_int_not_equal(first_of(9501), 0);
    shut(fd);
    for (int i = 0; i < 3; i++)
        refresh();
    assert_int_equal(first_of(9501), 0);
    listener("0.0.0.0", 9501, 0);
    refresh();
    refresh();
    assert_int_not_equal(first_of(9501), 0);
}

/* The kernel side has its lock: it is not its turn yet. */
TEST(what_is_being_evaluated_is_not_displaced)
{
    NEEDS_ROOT();
    for (int i = 0; i < FULL; i++)
        listener_of(ALICE, "0.0.0.0", 20000 + i, 0);
    begin(true);
    for (__u32 i = 1; i < SW_SERVICES; i++)
        sw_services_at(fx.s, i)->evaluating = 1;
    listener("0.0.0.0", 443, 0);
    refresh();
    refresh();
    assert_int_equal(first_of(443), 0);
    assert_int_equal(places_from(20000, FULL), FULL);
    for (__u32 i = 1; i < SW_SERVICES; i++)
        sw_services_at(fx.s, i)->evaluating = 0;
    refresh();
    refresh();
    assert_int_not_equal(first_of(443), 0);
}

/* Without a privilege one can listen on any address that is not taken, even if it is not this host's. */
TEST(a_user_does_not_keep_others_out_of_a_port)
{
    char addr[32];

    NEEDS_ROOT();
    for (int i = 1; i <= SW_CHAIN + 2; i++) {
        snprintf(addr, sizeof(addr), "10.9.8.%d", i);
        listener_of(ALICE, addr, 8443, 0);
    }
    begin(true);
    assert_int_equal(chain_of(8443), SW_CHAIN);
    assert_true(warned("2 listening sockets are not protected: port 8443"));
    listener("10.9.8.11", 8443, 0);
    listener_of(BOB, "10.9.8.12", 8443, 0);
    listener_of(BOB, "10.9.8.13", 8443, 0);
    listener_of(BOB, "10.9.8.14", 8443, 0);
    refresh();
    assert_int_equal(chain_of(8443), SW_CHAIN);
    assert_int_not_equal(service("10.9.8.11", 8443, 0), 0);
    assert_int_not_equal(service("10.9.8.12", 8443, 0), 0);
    assert_int_not_equal(service("10.9.8.13", 8443, 0), 0);
    assert_int_equal(service("10.9.8.14", 8443, 0), 0); /* two of eight are a share */
    for (int i = 0; i < 3; i++)
        refresh();
    assert_int_equal(sw_services_guard(fx.s)->unprotected, 6);
    assert_int_not_equal(service("10.9.8.1", 8443, 0), 0); /* the eldest remain */
    assert_int_not_equal(service("10.9.8.13", 8443, 0), 0);
    assert_int_equal(services_used(), SW_CHAIN);
}

/* --protect PORT is whoever listens there, --protect ADDRESS:PORT that one. */
TEST(a_named_address_is_never_left_out)
{
    char addr[32];

    NEEDS_ROOT();
    protect(NULL, 8443, SW_ANY_4 | SW_ANY_6);
    protect("10.9.8.20", 8443, 0);
    for (int i = 1; i <= SW_CHAIN; i++) {
        snprintf(addr, sizeof(addr), "10.9.8.%d", i);
        listener(addr, 8443, 0);
    }
    begin(true);
    assert_int_equal(chain_of(8443), SW_CHAIN);
    assert_int_not_equal(service("10.9.8.20", 8443, 0), 0);
    listener_of(ALICE, "10.9.8.20", 8443, 0);
    refresh();
    assert_int_equal(seen(service("10.9.8.20", 8443, 0))->flags, SW_SV_NAMED);
}

/* Where any user can listen on every port, a low one is worth no more. */
TEST(a_low_port_without_privilege)
{
    NEEDS_ROOT();
    for (int i = 0; i < FULL; i++)
        listener_of(ALICE, "0.0.0.0", 20000 + i, 0);
    set_sysctl("ipv4/ip_unprivileged_port_start", "443");
    begin(true);
    for (int i = 0; i < SHARE + 1; i++)
        listener_of(BOB, "0.0.0.0", 442 + i, 0);
    for (int i = 0; i < 3; i++)
        refresh();
    set_sysctl("ipv4/ip_unprivileged_port_start", "1024");
    assert_int_equal(places_from(442, SHARE + 1), SHARE + 1); /* 442, and the share */
    listener_of(BOB, "0.0.0.0", 9700, 0);
    refresh();
    refresh();
    assert_int_not_equal(first_of(9700), 0); /* they are privileged now, so no part of the share */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(what_listens_is_a_service),
        LIVE_TEST(addresses_come_before_wildcards),
        LIVE_TEST(a_dual_stack_wildcard_yields_to_one_of_ipv4),
        LIVE_TEST(a_slot_is_kept),
        LIVE_TEST(a_listener_that_is_back_at_once_is_the_same_service),
        LIVE_TEST(an_engaged_service_stays_until_its_cookies_expired),
        LIVE_TEST(figures_of_the_freed_go_on_in_slot_0),
        LIVE_TEST(bound_to_a_device),
        LIVE_TEST(mptcp_listeners_take_the_kernels_cookies),
        LIVE_TEST(only_what_is_named_is_protected),
        LIVE_TEST(more_addresses_on_a_port_than_a_chain_holds),
        LIVE_TEST(more_listeners_than_slots),
        LIVE_TEST(a_user_does_not_keep_others_out),
        LIVE_TEST(what_is_being_evaluated_is_not_displaced),
        LIVE_TEST(a_user_does_not_keep_others_out_of_a_port),
        LIVE_TEST(a_named_address_is_never_left_out),
        LIVE_TEST(a_low_port_without_privilege),
    };

    return cmocka_run_group_tests_name("services", tests, before_all, NULL);
}
