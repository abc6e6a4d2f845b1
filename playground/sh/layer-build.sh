#!/bin/sh
# Install Debian packages into an overlay over this machine's root without touching the machine.
# Usage: layer-build.sh MARKER DIRECTORY ARCHIVES PACKAGE...
#   DIRECTORY  gets upper/ (the layer); work/ and root/ are used on the way
#   ARCHIVES   where downloaded .deb files are kept between builds
# Runs in mount and pid namespaces of its own. Status 3: DIRECTORY cannot hold an overlay's upper.
set -eu
. "$(dirname "$0")/chroot.sh"
directory=$2 archives=$3
shift 3
root=$directory/root

say() { echo "layer: $*"; }

mkdir -p "$directory/upper" "$directory/work" "$root" "$archives/partial"
if ! mount -t overlay -o "lowerdir=/,upperdir=$directory/upper,workdir=$directory/work,index=off" playground "$root"; then
    exit 3
fi
mount_system "$root"

# The machine's resolver, whatever /etc/resolv.conf is (a file, a link into /run, a bind mount).
resolver=$(readlink -m "$root/etc/resolv.conf")
case $resolver in
"$root"/*) ;;
*) resolver=$root$resolver ;;
esac
mkdir -p "$(dirname "$resolver")"
mount -t tmpfs -o size=1m tmpfs "$directory/work"
cat /etc/resolv.conf >"$directory/work/resolv.conf" || :
[ -e "$resolver" ] || : >"$resolver"
mount --bind "$directory/work/resolv.conf" "$resolver"

# No service starts, no database cluster is made.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
mkdir -p "$root/etc/postgresql-common"
echo 'create_main_cluster = false' >"$root/etc/postgresql-common/createcluster.conf"

# What this machine itself runs under the same names (a PostgreSQL cluster, an etcd member, ...) is not
# the hosts': its data and its cluster definitions are hidden, and package scripts find none to upgrade.
for path in var/lib/postgresql etc/postgresql var/log/postgresql var/lib/etcd; do
    [ ! -d "$root/$path" ] || find "$root/$path" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
done
# Pacemaker's and Corosync's packages ship the directories in here, so these stay.
for path in var/lib/corosync var/lib/pacemaker; do
    [ ! -d "$root/$path" ] || find "$root/$path" ! -type d -exec rm -f {} +
done

# Container images come with a rule that deletes every download.
rm -f "$root/etc/apt/apt.conf.d/docker-clean"
# Lists go to memory and the downloads to the cache: neither belongs into the layer.
mkdir -p "$root/var/lib/apt/lists" "$root/var/cache/apt/archives"
mount -t tmpfs tmpfs "$root/var/lib/apt/lists"
mount --bind "$archives" "$root/var/cache/apt/archives"

apt() {
    in_layer "$root" apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
        -o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 \
        -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-unsafe-io \
        -o Dpkg::Options::=--path-exclude='/usr/share/man/*' \
        -o Dpkg::Options::=--path-exclude='/usr/share/locale/*' \
        -o APT::Keep-Downloaded-Packages=true "$@"
}
say "apt-get update"
# One unreachable source among the machine's does not matter if the packages are found in the others.
apt update || say "apt-get update failed; trying with what it got"
say "apt-get install $*"
apt install "$@"

rm -f "$root/usr/sbin/policy-rc.d"
mkdir -p "$root/opt/pgcm" "$root/opt/node/bin" "$root/opt/power" "$root/opt/seed" "$root/usr/local/bin"
: >"$root/opt/node/bin/node"
ln -sf /opt/node/bin/node "$root/usr/local/bin/node"
say "complete"
