# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

# What --pin of a unit left attached has to go before the program that can remove it. Only that: other pins, of a synward
# in another container, namespace or installation, are none of this package's. The programs are in systemd's network
# namespace, and some package managers run this in one of its own, without a network.
remove() {
    for unit in $(instances active,activating,reloading,failed); do
        pid=$(systemctl show -p ExecMainPID --value "$unit") || pid=0
        pin=$(sed -n 's/^pin=//p' "/run/synward/$pid.instance" 2>/dev/null) || pin=
        @SYSTEMCTL@ stop "$unit" || true
        if [ -n "$pin" ] && ! systemctl is-active --quiet "$unit"; then
            nsenter --net=/proc/1/ns/net synward unpin "$pin" || echo "synward: pinned state '$pin' of $unit is left in /sys/fs/bpf/synward" >&2
        fi
    done
    for left in /sys/fs/bpf/synward/*; do
        [ ! -d "$left" ] || echo "synward: warning: pinned state '${left##*/}' is of no unit of this package, and is left: its programs may be attached" >&2
    done
}
