#!/bin/sh
# Run one command over the package layer, in a throw-away root.
# Usage: layer-exec.sh MARKER LAYER LAYER_WORK SCRATCH REPOSITORY NODE ARGUMENT_OF_ENV...
# Runs as PID 1 of mount, pid, net, uts and ipc namespaces of its own: when it ends, everything ends that
# the command left running.
set -eu
. "$(dirname "$0")/chroot.sh"
layer=$2 layer_work=$3 scratch=$4 repository=$5 node=$6
shift 6

ip link set lo up
mount_scratch "$layer" "$layer_work" "$scratch" "$repository"
bind_read_only "$node" "$root/opt/node/bin/node"

# Not chroot: who enters this mount namespace again (nsenter, as tests do) would be outside of it.
mkdir "$root/.old-root"
cd "$root"
pivot_root . .old-root
cd /
umount -l /.old-root
rmdir /.old-root
status=0
env -i --chdir=/opt/pgcm "$@" || status=$?
exit "$status"
