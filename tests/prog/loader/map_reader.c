/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps by their ids, and maps of a build whose structures are not ours. */
#include "fixture.h"

#include "loader/histograms.h"
#include "loader/map_reader.h"
#include "loader/service_stats.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "synward.skel.h"

static __u32 id_of(struct bpf_map *map)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);

    assert_int_equal(bpf_obj_get_info_by_fd(bpf_map__fd(map), &info, &len), 0);
    return info.id;
}

static void nothing(const struct sw_key *key, const struct sw_flow *flow, void *ctx)
{
    (void)key;
    (void)flow;
    ++*(int *)ctx;
}

TEST(by_size)
{
    const struct synward_bpf *obj = bpfrun_object(run);
    const __u32 id = id_of(obj->maps.flows);
    int fd = sw_map_by_id(id, sizeof(struct sw_flow));

    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(sw_map_by_id(id, sizeof(struct sw_flow) + 8), -EPROTO);
    assert_int_equal(sw_map_by_id(id, sizeof(struct sw_flow) - 8), -EPROTO);
    assert_int_equal(sw_map_by_id(0xfffffff0, sizeof(struct sw_flow)), -ENOENT);
}

/* Values that are larger would be written beyond what was allocated for ours. */
TEST(of_other_sizes)
{
    const struct synward_bpf *obj = bpfrun_object(run);
    const __u32 larger = id_of(obj->maps.scratch), smaller = id_of(obj->maps.counters);
    struct sw_service_stats *stats = calloc(1, sizeof(*stats));
    struct sw_histograms *rows;
    struct sw_guard guard;
    __u32 len;
    int seen = 0;

    assert_non_null(stats);
    talk_open(t);
    assert_int_equal(sw_map_flows(id_of(obj->maps.flows), nothing, &seen), 0);
    assert_int_equal(seen, 1);
    for (int i = 0; i < 2; i++) {
        const __u32 id = i ? larger : smaller;

        assert_int_equal(sw_map_flows(id, nothing, &seen), -EPROTO);
        assert_int_equal(sw_service_stats_guard_id(id, &guard), -EPROTO);
        assert_int_equal(sw_service_stats_read_ids(id, id, 0, stats), -EPROTO);
        assert_int_equal(sw_map_histograms(id, &rows, &len), -EPROTO);
        assert_int_equal(sw_map_server_histograms(id, &rows, &len), -EPROTO);
    }
    assert_int_equal(seen, 1);
    free(stats);
}

int main(void)
{
    const struct CMUnitTest cases[] = {CASE(by_size), CASE(of_other_sizes)};

    return RUN(cases);
}
