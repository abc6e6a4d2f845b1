#!/bin/sh
# PID 1 of a host until it hands over to the node's own start script.
# Usage: host-init.sh ROOT SHARE REPOSITORY NODE SEED ADDRESS VARIABLE=VALUE... START
#
# Runs in fresh net, pid, mount, uts and ipc namespaces with the world's mounts still visible. ROOT is
# the host's disk (an overlay that the world keeps mounted, so it survives the host). Descriptor 3 is
# the daemon's: "pid N" when the namespaces exist, "booted" just before the start script takes over.
# Standard input gives one line as soon as the cable (eth0) is plugged in.
set -eu
. "$(dirname "$0")/chroot.sh"
root=$1 share=$2 repository=$3 node=$4 seed=$5 address=$6
shift 6

# /proc is still the world's, so /proc/self is this shell's pid as the daemon must know it.
read -r pid rest </proc/self/stat
echo "pid $pid" >&3
read -r cable
exec </dev/null

hostname "$(cat "$root/etc/hostname")"
ip link set lo up
ip addr add "$address/24" dev eth0
ip link set eth0 up

mount_system "$root"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
cd "$root"
bind_read_only "$repository" opt/pgcm
bind_read_only "$node" opt/node/bin/node
bind_read_only "$share" opt/power
[ -z "$seed" ] || bind_read_only "$seed" opt/seed

# The old root goes away altogether: nothing in the host can reach the machine's files through it.
mkdir -p .old-root
pivot_root . .old-root
cd /
umount -l /.old-root
rmdir /.old-root

echo booted >&3
exec 3>&-
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    "$@"
