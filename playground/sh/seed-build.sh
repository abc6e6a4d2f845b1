#!/bin/sh
# Make the data directory that every Postgres node starts from.
# Usage: seed-build.sh MARKER LAYER DIRECTORY REPOSITORY
#   DIRECTORY  gets main/, the data directory; work/ is used on the way
# Runs in mount, pid and net namespaces of its own.
set -eu
. "$(dirname "$0")/chroot.sh"
layer=$2 directory=$3 repository=$4

ip link set lo up
mkdir -p "$directory/main" "$directory/work/layer" "$directory/work/scratch"
mount_scratch "$layer" "$directory/work/layer" "$directory/work/scratch" "$repository"
mkdir "$root/opt/seed/main"
mount --bind "$directory/main" "$root/opt/seed/main"
in_layer "$root" /opt/pgcm/docker/make-seed /opt/seed/main
