#!/bin/sh
# `nvidia-ctk cdi generate [--output=FILE]`: the description of the GPUs names the libraries of the loaded driver.
set -e
[ "$1 $2" = "cdi generate" ]
version=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader)
output=${3:-$NVIDIA_CTK_CDI_OUTPUT_FILE_PATH}
output=${output#--output=}
mkdir -p "${output%/*}"
cat >"$output" <<END
cdiVersion: 0.5.0
kind: nvidia.com/gpu
containerEdits:
  mounts:
    - hostPath: /usr/lib/$(uname -m)-linux-gnu/libcuda.so.$version
END
