# PostgreSQL, in Debian's places. Pacemaker starts and stops it.

pg_config_dir=/etc/postgresql/15/main
pg_data=/var/lib/postgresql/15/main
# The agent's own files. On disk, not in /run: PGSQL.lock, which says that this node was primary and may
# hold data that no standby has, has to be there after a power loss.
pg_agent_dir=/var/lib/postgresql/tmp

configure_postgresql() {
    # Settings live outside the data directory: pg_rewind and pg_basebackup bring another node's data, not its settings.
    write "$pg_config_dir/postgresql.conf" postgres:postgres 0644 <<END
data_directory = '$pg_data'
hba_file = '$pg_config_dir/pg_hba.conf'
ident_file = '$pg_config_dir/pg_ident.conf'

listen_addresses = '*'
port = 5432
unix_socket_directories = '/var/run/postgresql'
max_connections = 200
shared_buffers = 64MB
max_wal_size = 256MB

wal_level = replica
hot_standby = on
max_wal_senders = 10
max_replication_slots = 10
wal_keep_size = 256MB
# pg_rewind needs this or checksums. The seed has checksums; a data directory made otherwise may not.
wal_log_hints = on
# A fast stop waits for every walsender, also for one whose standby froze.
wal_sender_timeout = 5s
wal_receiver_timeout = 5s
wal_receiver_status_interval = 1s
# How soon a standby looks for the (new) primary again; the default is 5 s.
wal_retrieve_retry_interval = 500ms
# What a member that does not come back costs at most.
max_slot_wal_keep_size = 1GB
# A crash is the cluster manager's to decide on.
restart_after_crash = off

log_line_prefix = '%m [%p] %q%u@%d/%a '
END
    write "$pg_config_dir/pg_hba.conf" postgres:postgres 0640 <<END
local all         all                    trust
host  all         all   127.0.0.1/32     trust
host  all         all   $CLUSTER_NETWORK trust
host  replication all   $CLUSTER_NETWORK trust
END
    write "$pg_config_dir/pg_ident.conf" postgres:postgres 0640 </dev/null
    install -d -o postgres -g postgres -m 0700 "$pg_agent_dir"
    install -d -o postgres -g postgres -m 0755 /var/lib/postgresql /var/lib/postgresql/15 /var/log/postgresql

    # All nodes start from one base backup: the same system identifier, nothing to copy over the network.
    if [ ! -e "$pg_data/PG_VERSION" ]; then
        [ -e /opt/seed/main/PG_VERSION ] || fail "no data directory in /opt/seed/main (docker/make-seed makes it)"
        rm -rf "$pg_data"
        cp -a /opt/seed/main "$pg_data"
    fi
}

prepare_postgresql() {
    install -d -o postgres -g postgres -m 2775 /run/postgresql
    # Left by a power loss it names a process number that may be PgBouncer's now, which runs as postgres
    # too: agent and PostgreSQL would take that for a running server. At boot no PostgreSQL runs.
    rm -f "$pg_data/postmaster.pid"
}
