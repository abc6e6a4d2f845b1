# The parameters, their defaults, and their description.

read_parameters() {
    : "${OCF_RESKEY_pgdata:=/var/lib/postgresql/15/main}"
    : "${OCF_RESKEY_pgdba:=postgres}"
    : "${OCF_RESKEY_pgport:=5432}"
    : "${OCF_RESKEY_socketdir:=/var/run/postgresql}"
    : "${OCF_RESKEY_logfile:=/var/log/postgresql/postgresql.log}"
    : "${OCF_RESKEY_repuser:=replicator}"
    : "${OCF_RESKEY_conninfo_opt:=}"
    : "${OCF_RESKEY_node_list:=}"
    : "${OCF_RESKEY_rewind:=yes}"
    : "${OCF_RESKEY_rebuild:=no}"
    : "${OCF_RESKEY_sync_mode:=async}"
    : "${OCF_RESKEY_statedir:=/var/lib/pgcm}"
    : "${OCF_RESKEY_etcd_endpoints:=http://127.0.0.1:2379}"
    : "${OCF_RESKEY_etcd_namespace:=}"
    : "${OCF_RESKEY_etcd_cacert:=}"
    : "${OCF_RESKEY_etcd_cert:=}"
    : "${OCF_RESKEY_etcd_key:=}"
    : "${OCF_RESKEY_etcd_user_file:=}"
    : "${OCF_RESKEY_probe_timeout:=5}"
    : "${OCF_RESKEY_stop_timeout:=10}"

    pgdata=$OCF_RESKEY_pgdata
    if cd -P "$pgdata" 2>/dev/null; then
        pgdata=$PWD
        cd /
    fi
    : "${OCF_RESKEY_config:=$pgdata/postgresql.conf}"
    me=${OCF_RESKEY_CRM_meta_on_node:-$(uname -n)}
    rundir=/run/pgcm-agent/$OCF_RESOURCE_INSTANCE
    statedir=$OCF_RESKEY_statedir
    # A rebuild empties the data directory, and may be interrupted then.
    version=
    { read -r version <"$pgdata/PG_VERSION" || read -r version <"$statedir/version"; } 2>/dev/null
    bindir=${OCF_RESKEY_bindir:-/usr/lib/postgresql/$version/bin}
    # There while the data directory is rewound or copied: half of either is worth nothing.
    touched=$statedir/touched
    record_key=$OCF_RESKEY_etcd_namespace/pgcm/entitlement

    export ETCDCTL_API=3 ETCDCTL_ENDPOINTS="$OCF_RESKEY_etcd_endpoints"
    export ETCDCTL_DIAL_TIMEOUT=1s ETCDCTL_COMMAND_TIMEOUT=2s
    [ -z "$OCF_RESKEY_etcd_cacert" ] || export ETCDCTL_CACERT="$OCF_RESKEY_etcd_cacert"
    [ -z "$OCF_RESKEY_etcd_cert" ] || export ETCDCTL_CERT="$OCF_RESKEY_etcd_cert"
    [ -z "$OCF_RESKEY_etcd_key" ] || export ETCDCTL_KEY="$OCF_RESKEY_etcd_key"
    if [ -r "$OCF_RESKEY_etcd_user_file" ]; then
        read -r ETCDCTL_USER <"$OCF_RESKEY_etcd_user_file"
        export ETCDCTL_USER
    fi
    # What PostgreSQL's programs say is compared with their English texts; nobody reads a .psqlrc or a .pgpass by accident.
    export LC_ALL=C PGCONNECT_TIMEOUT="$OCF_RESKEY_probe_timeout" PGTZ=UTC
}

# Where the agent keeps what need not outlive a reboot.
make_rundir() {
    [ -d "$rundir" ] || mkdir -p "$rundir"
}

# Usage: address_of MEMBER; sets address. node_list is "NAME=ADDRESS NAME=ADDRESS ..."
address_of() {
    for member in $OCF_RESKEY_node_list; do
        [ "${member%%=*}" != "$1" ] || {
            address=${member#*=}
            return 0
        }
    done
    return 1
}

# Sets others, the names of the other members.
find_others() {
    others=
    for member in $OCF_RESKEY_node_list; do
        [ "${member%%=*}" = "$me" ] || others="$others ${member%%=*}"
    done
}

# Usage: slot_of MEMBER; sets slot. Its name has lower-case letters, digits and _ only.
slot_of() {
    slot=$1
    case $slot in
    *[!a-z0-9_]*) slot=$(printf '%s' "$1" | tr 'A-Z' 'a-z' | tr -c 'a-z0-9_' '_') ;;
    esac
}

# Usage: parameter NAME TYPE REQUIRED DEFAULT SHORT LONG
parameter() {
    cat <<END
    <parameter name="$1" unique="0" required="$3">
      <longdesc lang="en">$6</longdesc>
      <shortdesc lang="en">$5</shortdesc>
      <content type="$2" default="$4"/>
    </parameter>
END
}

meta_data() {
    cat <<END
<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="postgresql" version="1.0">
  <version>1.0</version>
  <longdesc lang="en">
PostgreSQL 13 or later with streaming replication, as a promotable clone without notifications. Who may be promoted stands in a
record in etcd, which pgcm supervise keeps in step with synchronous_standby_names: no acknowledged commit is lost, whatever
Pacemaker decides. Every node runs etcd's client (etcdctl); a majority of etcd's members must answer for a promotion.
  </longdesc>
  <shortdesc lang="en">PostgreSQL that is promoted only where every acknowledged commit is</shortdesc>
  <parameters>
$(parameter node_list string 1 "" "all members and their addresses" "NAME=ADDRESS of every member, this one included, separated by blanks: Pacemaker's node names, and where their PostgreSQL listens.")
$(parameter etcd_endpoints string 1 "http://127.0.0.1:2379" "etcd's members" "URLs of etcd's members, separated by commas.")
$(parameter etcd_namespace string 0 "" "prefix of all keys" "As etcd-namespace of pgcm.")
$(parameter etcd_cacert string 0 "" "CA certificate of etcd" "File with the certificate of the authority that etcd's certificates are from.")
$(parameter etcd_cert string 0 "" "client certificate" "File with the client certificate for etcd.")
$(parameter etcd_key string 0 "" "key of the client certificate" "File with the key of etcd_cert.")
$(parameter etcd_user_file string 0 "" "user of etcd" "File whose first line is USER:PASSWORD for etcd; readable by root only.")
$(parameter pgdata string 0 "/var/lib/postgresql/15/main" "data directory" "PostgreSQL's data directory.")
$(parameter config string 0 "" "configuration file" "postgresql.conf. Outside the data directory, as a rewind and a rebuild bring another node's data directory along; the default is in it all the same.")
$(parameter bindir string 0 "" "PostgreSQL's programs" "Folder of postgres, pg_ctl, psql, pg_rewind; by default Debian's for the version of the data directory.")
$(parameter pgdba string 0 "postgres" "PostgreSQL's user" "The system user that runs PostgreSQL, a superuser in it by peer authentication.")
$(parameter pgport integer 0 "5432" "port" "The port, the same on all members.")
$(parameter socketdir string 0 "/var/run/postgresql" "folder of the socket" "Where PostgreSQL's unix socket is.")
$(parameter logfile string 0 "/var/log/postgresql/postgresql.log" "log file" "Where PostgreSQL's output goes.")
$(parameter repuser string 0 "replicator" "replication role" "The role that standbys connect with; it may read files for pg_rewind (docs/install.md has the grants) and connect to the database postgres.")
$(parameter conninfo_opt string 0 "" "more for connections between members" "Added to the connection strings between members, for example sslmode=verify-full passfile=/var/lib/postgresql/.pgpass.")
$(parameter rewind boolean 0 "yes" "pg_rewind a diverged member" "Rewind a member that has what the primary has not; else rebuild, or refuse to start.")
$(parameter rebuild boolean 0 "no" "rebuild by pg_basebackup" "Empty the data directory of a member that cannot be rewound and copy the primary's; else the member does not start, and says with which command to rebuild it. The start's timeout must be long enough for a copy.")
$(parameter sync_mode string 0 "async" "alone: async or strict" "What a primary without a standby does: async commits alone, strict waits. The same as sync-mode of pgcm supervise.")
$(parameter statedir string 0 "/var/lib/pgcm" "the agent's own files" "What has to be kept outside the data directory and over a reboot.")
$(parameter probe_timeout integer 0 "5" "PostgreSQL is hung" "Seconds without an answer after which monitor says so.")
$(parameter stop_timeout integer 0 "10" "patience with a fast stop" "Seconds after which processes that are left are killed.")
  </parameters>
  <actions>
    <action name="start" timeout="120s"/>
    <action name="stop" timeout="60s"/>
    <action name="promote" timeout="60s"/>
    <action name="demote" timeout="60s"/>
    <action name="monitor" depth="0" timeout="30s" interval="3s" role="Slave"/>
    <action name="monitor" depth="0" timeout="30s" interval="2s" role="Master"/>
    <action name="validate-all" timeout="20s"/>
    <action name="meta-data" timeout="5s"/>
  </actions>
</resource-agent>
END
}
