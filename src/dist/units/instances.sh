# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

# Is systemd pid 1, and is this root its root? In a chroot it is not, also if /run, /proc and /sys/fs/bpf are shared with
# the system: what runs there is not this package's, and a guard there is left alone.
systemd_is_ours() {
    [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ] &&
        [ "$(stat -Lc %d:%i /proc/1/root/ 2>/dev/null)" = "$(stat -Lc %d:%i /)" ]
}

# Instances in one of these states whose unit file is this package's, not one in /etc or /usr/local.
instances() {
    systemctl list-units --plain --no-legend --full --state="$1" 'synward@*.service' |
        while read -r unit _; do
            case $(systemctl show -p FragmentPath --value "$unit") in
            /lib/systemd/system/synward@.service | /usr/lib/systemd/system/synward@.service) printf '%s\n' "$unit" ;;
            esac
        done
}
