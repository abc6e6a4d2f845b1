# pgcm itself: the command, and one configuration file that serves every subcommand.

configure_pgcm() {
    write /usr/local/bin/pgcm root:root 0755 <<'END'
#!/bin/sh
exec node /opt/pgcm/dist/src/main.js "$@"
END
    write /etc/pgcm/config.toml root:root 0644 <<END
etcd-endpoints = [$(member_addresses | sed 's|.*|"http://&:2379"|' | joined ,)]
etcd-namespace = ""
etcd-postgres-master-key = "/master"

pgbouncer-user = "pgbouncer"
pgbouncer-database = "pgbouncer"
pgbouncer-socket-dir = "/var/run/postgresql"
pgbouncer-port = "6432"
pgbouncer-config-file = "/etc/pgbouncer/pgbouncer.ini"
pgbouncer-config-template-file = "/etc/pgbouncer/pgbouncer.ini.template"
probe-user = "pgcm"
probe-database = "postgres"

bind-address = ":8080"
pacemaker-resource = "msPostgresql"
# All hosts share the processors of one machine here: that a program takes long to start says nothing of Pacemaker.
pacemaker-get-timeout = "4s"
health-check-timeout = "10s"
postgres-socket-dir = "/var/run/postgresql"
postgres-port = 5432
postgres-user = "pgcm"
postgres-database = "postgres"

failover-api-endpoints = [$(member_names | sed 's|.*|"&:8080"|' | joined ,)]
END
}
