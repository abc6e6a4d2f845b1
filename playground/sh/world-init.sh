#!/bin/sh
# PID 1 of a playground's world. Usage: world-init.sh MARKER COMMAND [ARG...]
#
# The world is a set of namespaces (mount, pid, net, uts, ipc). Whatever a playground makes - mounts,
# links, network namespaces, processes - lives in them and has no other holder, so ending this one
# process takes everything away, at whatever point it happens. MARKER is how `down` finds the world
# when `up` was killed before it could write down what it started.
#
# A shell rather than the daemon itself, because PID 1 inherits every orphan and must reap it, which
# Node does not do; `wait` in a shell does. The world ends with the daemon: hosts that nobody can
# switch off or look at are of no use.
set -u
# The folders made in here become the hosts' own, root folder included.
umask 022
shift
ip link set lo up
"$@" &
wait $!
