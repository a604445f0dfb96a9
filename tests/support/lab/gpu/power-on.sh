#!/bin/sh
# What the firmware and the kernel of a machine with a GPU do before anything else runs: the card is on the PCI bus, and
# nouveau takes it, unless something keeps it from loading.
set -e

mount -o remount,rw /sys
mkdir /sys/module
mount -o remount,ro /sys
for place in /sys/module /sys/bus/pci/devices /proc/driver; do
    mount -t tmpfs -o mode=755 tmpfs "$place"
done

card=/sys/bus/pci/devices/0000:17:00.0
mkdir "$card"
echo 0x10de >"$card/vendor"
echo 0x2330 >"$card/device"
echo 0x030200 >"$card/class"

if ! modprobe --showconfig | grep -q '^blacklist nouveau'; then
    mkdir /sys/module/nouveau
    ln -s ../../drivers/nouveau "$card/driver"
elif modprobe --show-depends nvidia 2>/dev/null | grep -q '^insmod'; then
    # udev(7) loads what belongs to a device, and nothing else. systemd-modules-load(8) passes over containers.
    for module in nvidia $(sed -n '/^nvidia/p' /etc/modules-load.d/*.conf); do
        /usr/local/sbin/modprobe "$module"
    done
fi
