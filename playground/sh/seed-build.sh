#!/bin/sh
# Make the data directory that every Postgres node starts from.
# Usage: seed-build.sh MARKER LAYER DIRECTORY REPOSITORY
#   LAYER      the package layer (its upper/ is used, nothing is written to it)
#   DIRECTORY  gets main/, the data directory; work/ is used on the way
# Runs in mount, pid and net namespaces of its own.
set -eu
. "$(dirname "$0")/chroot.sh"
layer=$2 directory=$3 repository=$4
work=$directory/work

ip link set lo up
mkdir -p "$work" "$directory/main"
mkdir "$work/layer-work"
scratch=$work/scratch
mkdir "$scratch"
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch/layer" "$scratch/upper" "$scratch/work" "$scratch/root"
mount -t overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$work/layer-work,index=off" playground "$scratch/layer"
mount -t overlay -o "lowerdir=$scratch/layer,upperdir=$scratch/upper,workdir=$scratch/work,index=off" playground "$scratch/root"
root=$scratch/root
mount_system "$root"
mount --bind "$repository" "$root/opt/pgcm"
mount -o remount,bind,ro "$root/opt/pgcm"
mkdir "$root/opt/seed/main"
mount --bind "$directory/main" "$root/opt/seed/main"
in_layer "$root" /opt/pgcm/docker/make-seed /opt/seed/main
