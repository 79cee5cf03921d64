# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

# Links by which instances were enabled lead nowhere now. /etc/default/synward-IF and drop-ins are whose who wrote them.
remove_links() {
    for link in /etc/systemd/system/*.wants/synward@*.service; do
        case $(readlink "$link" || true) in
        /lib/systemd/system/synward@.service | /usr/lib/systemd/system/synward@.service)
            rm -f "$link"
            case $link in */sys-subsystem-net-devices-*.device.wants/*) rmdir "${link%/*}" 2>/dev/null || true ;; esac
            ;;
        esac
    done
}
