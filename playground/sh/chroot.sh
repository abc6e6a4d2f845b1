# Sourced by the scripts that prepare a root folder: a host's, the package layer's. All of them run in
# mount and pid namespaces of their own, so a SIGKILL leaves nothing mounted.

# The folders made here become the hosts' own, root folder included.
umask 022

# Mount what programs expect to find, with none of the machine's devices but the harmless ones.
# Usage: mount_system ROOT
mount_system() {
    mount -t proc -o nosuid,nodev,noexec proc "$1/proc"
    # Sysctls outside the network namespace and the sysrq trigger are the machine's own: Pacemaker's
    # "panic" writes a reboot to the trigger, and that would be this machine's.
    for path in sys sysrq-trigger irq bus fs; do
        [ ! -e "$1/proc/$path" ] || bind_read_only "$1/proc/$path" "$1/proc/$path"
    done
    mount -t tmpfs -o mode=0755,nosuid tmpfs "$1/dev"
    mknod -m 666 "$1/dev/null" c 1 3
    mknod -m 666 "$1/dev/zero" c 1 5
    mknod -m 666 "$1/dev/full" c 1 7
    mknod -m 666 "$1/dev/random" c 1 8
    mknod -m 666 "$1/dev/urandom" c 1 9
    mknod -m 666 "$1/dev/tty" c 5 0
    ln -s /proc/self/fd "$1/dev/fd"
    ln -s fd/0 "$1/dev/stdin"
    ln -s fd/1 "$1/dev/stdout"
    ln -s fd/2 "$1/dev/stderr"
    mkdir "$1/dev/pts" "$1/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,nosuid,noexec devpts "$1/dev/pts"
    ln -s pts/ptmx "$1/dev/ptmx"
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$1/dev/shm"
    mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs "$1/run"
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$1/tmp"
    mkdir -m 1777 "$1/run/lock"
}

bind_read_only() { # SOURCE TARGET
    mount --bind "$1" "$2"
    mount -o remount,bind,ro "$2"
}

# Run in the layer with a clean environment, the proxies of the caller kept. Usage: in_layer ROOT COMMAND...
in_layer() {
    in_layer_root=$1
    shift
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
        ${no_proxy:+no_proxy="$no_proxy"} \
        chroot "$in_layer_root" "$@" </dev/null
}

# A throw-away root over the package layer: what is written goes to memory. Sets $root.
# Usage: mount_scratch LAYER LAYER_WORK SCRATCH REPOSITORY
#   LAYER_WORK  an empty folder on the layer's file system, for this mount alone
#   SCRATCH     an empty folder; a tmpfs is mounted there
mount_scratch() {
    mount -t tmpfs -o mode=0755 tmpfs "$3"
    mkdir "$3/layer" "$3/upper" "$3/work" "$3/root"
    mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$2,index=off" playground "$3/layer"
    mount -t overlay -o "lowerdir=$3/layer,upperdir=$3/upper,workdir=$3/work,index=off" playground "$3/root"
    root=$3/root
    mount_system "$root"
    bind_read_only "$4" "$root/opt/pgcm"
}
