# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

# An upgrade: instances that run are restarted. With --pin the programs stay attached meanwhile, and the guard goes on.
restart() {
    for unit in $(instances active,activating,reloading); do
        @SYSTEMCTL@ try-restart "$unit" || true
        status=$(systemctl show -p ExecMainStatus --value "$unit") || status=
        systemctl is-active --quiet "$unit" || [ "$status" != 12 ] || cat >&2 <<EOF
synward: $unit was not restarted: its pinned state is of a version whose records differ (exit 12). The programs of
synward: that version stay attached, and its guard active; nothing is logged. 'journalctl -u $unit' names the state:
synward: 'synward unpin NAME && systemctl restart $unit' begins anew.
EOF
    done
}
