# PgBouncer, as operators run it: pgcm renders pgbouncer.ini from the template beside it.

configure_pgbouncer() {
    # Nobody has a password in here: who reaches the port is inside.
    write /etc/pgbouncer/userlist.txt root:postgres 0640 <<'END'
"app" ""
"pgbouncer" ""
"pgcm" ""
"postgres" ""
END
    {
        echo '[databases]'
        for database in app postgres; do
            echo "$database = host={{.Host}} port=5432 dbname=$database"
        done
        pgbouncer_settings
    } | write /etc/pgbouncer/pgbouncer.ini.template root:postgres 0640
    # Until the first route is known PgBouncer runs and leads nowhere.
    {
        echo '[databases]'
        pgbouncer_settings
    } | write /etc/pgbouncer/pgbouncer.ini root:postgres 0640
}

prepare_pgbouncer() {
    install -d -o postgres -g postgres -m 2775 /run/postgresql
}

# tcp_*: a connection to a host that died without a word fails after about 3 s; with the kernel's defaults
# its queries would hang for minutes, and neither RELOAD nor RESUME would free their place in the pool.
pgbouncer_settings() {
    cat <<'END'

[pgbouncer]
listen_addr = *
listen_port = 6432
unix_socket_dir = /var/run/postgresql
auth_type = trust
auth_file = /etc/pgbouncer/userlist.txt
admin_users = pgbouncer
pool_mode = transaction
default_pool_size = 20
max_client_conn = 400
query_wait_timeout = 120
ignore_startup_parameters = extra_float_digits
tcp_keepalive = 1
tcp_keepidle = 1
tcp_keepintvl = 1
tcp_keepcnt = 3
tcp_user_timeout = 3000
END
}
