#!/bin/sh
# As common.postinst of DKMS does it.
set -e
[ "$1" != configure ] || dkms install nvidia-current-open/VERSION
