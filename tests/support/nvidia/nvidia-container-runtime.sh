#!/bin/sh
# The runtime adds the GPUs to a container and leaves the rest to runc.
exec runc "$@"
