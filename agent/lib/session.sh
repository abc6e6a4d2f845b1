# Talking to PostgreSQL: questions one by one, and one session that lasts as long as a promotion.

# Whoever changes synchronous_standby_names holds this lock, agent or supervise, in the database postgres (rule 2).
names_lock=1885823853

# One question to this member's PostgreSQL. Usage: ask SQL
# 124: no answer within probe_timeout
ask() {
    psql_once -h "$OCF_RESKEY_socketdir" -p "$OCF_RESKEY_pgport" -d postgres -c "$1"
}

# The connection string to another member, without its database. One that falls silent is given up, also in the middle of a copy.
# Usage: conninfo_to ADDRESS[,ADDRESS...]
conninfo_to() {
    echo "host=$1 port=$OCF_RESKEY_pgport user=$OCF_RESKEY_repuser" \
        "keepalives_idle=5 keepalives_interval=2 keepalives_count=3 tcp_user_timeout=11000 $OCF_RESKEY_conninfo_opt"
}

# One question to another member, as the replication role. Usage: ask_other ADDRESS SQL
ask_other() {
    psql_once -d "$(conninfo_to "$1") dbname=postgres connect_timeout=2" -c "$2"
}

# One command of the replication protocol. Usage: ask_walsender ADDRESS COMMAND
ask_walsender() {
    psql_once -d "$(conninfo_to "$1") replication=true connect_timeout=2" -c "$2"
}

# Prints the answer, or why there is none. What comes on standard error beside an answer is none: PostgreSQL warns of a
# collation's version on each connection, for example. Usage: psql_once OPTION...
psql_once() {
    find_group
    {
        complaint=$(as_pgdba "$OCF_RESKEY_probe_timeout" "$bindir/psql" -XqAt -v ON_ERROR_STOP=1 "$@" 2>&1 >&9 </dev/null)
    } 9>&1
    set -- $?
    [ "$1" -eq 0 ] || printf '%s\n' "$complaint"
    return "$1"
}

# As PostgreSQL's user, without a session of PAM, which would take longer than the question. Usage: as_pgdba SECONDS PROGRAM...
as_pgdba() {
    seconds=$1
    shift
    timeout --foreground -k 1 "$seconds" setpriv --reuid="$OCF_RESKEY_pgdba" --regid="$group" --init-groups -- "$@"
}

# Sets group, that of PostgreSQL's user.
find_group() {
    group=
    { read -r group <"$rundir/group"; } 2>/dev/null && [ -n "$group" ] && return
    group=$(id -g "$OCF_RESKEY_pgdba")
    echo "$group" >"$rundir/group"
}

# A session that goes on over several questions, and over the promotion. Usage: session_open SECONDS PIPE-IN PIPE-OUT
session_open() {
    # A session that has ended is told by what it answers, not by a signal.
    trap '' PIPE
    find_group
    as_pgdba "$1" "$bindir/psql" -XqAt -v ON_ERROR_STOP=1 -h "$OCF_RESKEY_socketdir" -p "$OCF_RESKEY_pgport" -d postgres \
        <"$2" >"$3" 2>&1 &
    exec 3>"$2" 4<"$3"
}

# Usage: session_ask SQL; sets answer, the last line that came. 1: PostgreSQL refused, or the session is gone; answer says why
session_ask() {
    answer=
    { echo "$1; SELECT 'that was all';" >&3; } 2>/dev/null || return 1
    while read -r line <&4; do
        [ "$line" != 'that was all' ] || return 0
        answer=$line
    done
    return 1
}

# Ends the session, and with it its lock.
session_close() {
    exec 3>&- 4<&-
}
