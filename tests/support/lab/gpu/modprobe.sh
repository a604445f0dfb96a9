#!/bin/sh
# modprobe of a machine whose GPU is simulated. It finds modules as the real one does, by their files, and loads none
# into the kernel, which is that of all nodes.
set -eu
card=/sys/bus/pci/devices/0000:17:00.0

load() {
    name=$(modinfo --field name "$1" | tr - _)
    version=$(modinfo --field version "$1")
    if [ "$name" = nvidia ]; then
        if [ -e /sys/module/nouveau ]; then
            echo "modprobe: ERROR: could not insert 'nvidia': No such device" >&2
            exit 1
        fi
        mkdir -p /proc/driver/nvidia
        echo "NVRM version: NVIDIA UNIX Open Kernel Module for $(uname -m)  $version  Release Build  (lab)" \
            >/proc/driver/nvidia/version
        ln -sfn ../../drivers/nvidia "$card/driver"
    fi
    mkdir -p "/sys/module/$name"
    echo "$version" >"/sys/module/$name/version"
}

case "$*" in
"-r nouveau")
    # A console is drawn by it.
    echo "modprobe: FATAL: Module nouveau is in use." >&2
    exit 1
    ;;
"-r nvidia"*)
    rm -rf "/sys/module/$2"
    if [ "$2" = nvidia ]; then
        rm -rf /proc/driver/nvidia "$card/driver"
    fi
    ;;
nvidia*)
    /usr/sbin/modprobe --show-depends "$1" | while read -r _ file; do
        load "$file"
    done
    ;;
*) exec /usr/sbin/modprobe "$@" ;;
esac
