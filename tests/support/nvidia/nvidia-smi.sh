#!/bin/sh
# nvidia-smi as far as it is asked: it reaches the loaded driver through a library of the same version.
loaded=$(sed -n 's/^NVRM version: .*  \([0-9.]*\)  Release.*/\1/p' /proc/driver/nvidia/version 2>/dev/null)
if [ -z "$loaded" ]; then
    echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    exit 9
fi
if [ ! -e "/usr/lib/$(uname -m)-linux-gnu/nvidia/current/libnvidia-ml.so.$loaded" ]; then
    echo "Failed to initialize NVML: Driver/library version mismatch"
    exit 18
fi
case "$1" in
--query-gpu=driver_version) echo "$loaded" ;;
--query-gpu=name,memory.total) echo "NVIDIA H100 80GB HBM3, 81559" ;;
*) exit 2 ;;
esac
