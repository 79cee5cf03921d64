/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The forms of the object: without the kfunc it lacks nothing but sw_accept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "synward.h"
#include "synward.skel.h"
#include "synward_nokfunc.skel.h"

#include <bpf/libbpf.h>
#include <string.h>

/* libxdp loads the XDP programs from the form without the kfunc, and BPF tests run those of the other one. */
static void test_programs_are_the_same_without_the_kfunc(void **state)
{
    struct synward_nokfunc_bpf *other = synward_nokfunc_bpf__open();
    struct synward_bpf *obj = synward_bpf__open();
    struct bpf_program *p, *q;

    (void)state;
    assert_non_null(obj);
    assert_non_null(other);
    bpf_object__for_each_program(p, obj->obj)
    {
        q = bpf_object__find_program_by_name(other->obj, bpf_program__name(p));
        assert_non_null(q);
        if (p == obj->progs.sw_accept)
            assert_true(bpf_program__insn_cnt(q) < bpf_program__insn_cnt(p));
        else
            assert_int_equal(bpf_program__insn_cnt(q), bpf_program__insn_cnt(p));
        if (bpf_program__type(p) == BPF_PROG_TYPE_XDP) /* the others call functions at other places */
            assert_memory_equal(bpf_program__insns(p), bpf_program__insns(q),
                                bpf_program__insn_cnt(p) * sizeof(struct bpf_insn));
    }
    synward_bpf__destroy(obj);
    synward_nokfunc_bpf__destroy(other);
}

static void test_maps_are_the_same_in_the_same_order(void **state)
{
    struct synward_nokfunc_bpf *other = synward_nokfunc_bpf__open();
    struct synward_bpf *obj = synward_bpf__open();
    struct bpf_map *m, *n = NULL;

    (void)state;
    assert_non_null(obj);
    assert_non_null(other);
    bpf_object__for_each_map(m, obj->obj)
    {
        n = bpf_object__next_map(other->obj, n);
        assert_non_null(n);
        /* of .rodata and .bss the object's name is a part */
        if (!bpf_map__is_internal(m))
            assert_string_equal(bpf_map__name(m), bpf_map__name(n));
        assert_int_equal(bpf_map__type(m), bpf_map__type(n));
        assert_int_equal(bpf_map__key_size(m), bpf_map__key_size(n));
        assert_int_equal(bpf_map__value_size(m), bpf_map__value_size(n));
    }
    assert_null(bpf_object__next_map(other->obj, n));
    synward_bpf__destroy(obj);
    synward_nokfunc_bpf__destroy(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_programs_are_the_same_without_the_kfunc),
                                       cmocka_unit_test(test_maps_are_the_same_in_the_same_order)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
