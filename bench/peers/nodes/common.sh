# What the start scripts of this folder share. Sourced after docker/node/common.sh.

pg_bin=/usr/lib/postgresql/15/bin
pg_data=/var/lib/postgresql/15/main
network=${NODE_ADDRESS%.*}.0/24

# The settings that all contenders get, as `NAME = VALUE`: they are taken from what pgcm's own nodes have.
# What a cluster manager sets itself, and how it reacts to a crash, is its own.
common_settings() {
    for name in max_connections shared_buffers max_wal_size wal_keep_size wal_log_hints \
        wal_sender_timeout wal_receiver_timeout wal_receiver_status_interval wal_retrieve_retry_interval; do
        grep "^$name = " "$docker/node/postgresql.sh" || fail "docker/node/postgresql.sh does not set $name"
    done
}

prepare_folders() {
    install -d -o postgres -g postgres -m 2775 /run/postgresql
    install -d -o postgres -g postgres -m 0755 /var/lib/postgresql /var/lib/postgresql/15
    # Left by a power loss it can name a process that is another one now. At boot no PostgreSQL runs.
    rm -f "$pg_data/postmaster.pid"
}

# Hand over to the supervisor of services that pgcm's own nodes have, too. Usage: run_services FILE
run_services() {
    mkdir -p /var/log/node /run/node
    exec python3 "$docker/init.py" --services "$1"
}

# For clients that connect to the nodes themselves: what tcp_user_timeout=3000 is in a connection string of
# libpq, which the load's driver does not know. It is the network namespace's own; /proc/sys is read-only in here.
give_up_on_silence() {
    mkdir -p /run/proc
    mount -t proc proc /run/proc
    echo 3 >/run/proc/sys/net/ipv4/tcp_retries2
    umount /run/proc
}
