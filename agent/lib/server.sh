# The processes of this data directory: whether there are any, and how they end.

# Whether this is a PostgreSQL process of the data directory, which is its working directory. Without a program: they are looked
# for again and again while clients wait. Usage: is_of_server PID
is_of_server() {
    [ "/proc/$1/cwd" -ef "$pgdata" ] && { read -r comm <"/proc/$1/comm"; } 2>/dev/null && [ "$comm" = postgres ]
}

# Sets processes, the ids of all of them, also of backends whose postmaster is gone: they may still acknowledge.
server_processes() {
    processes=
    for entry in /proc/[0-9]*; do
        ! is_of_server "${entry#/proc/}" || processes="$processes ${entry#/proc/}"
    done
    [ -n "$processes" ]
}

# Sets postmaster; 1: there is none.
server_postmaster() {
    postmaster=
    { read -r postmaster <"$pgdata/postmaster.pid"; } 2>/dev/null || return 1
    case $postmaster in
    '' | *[!0-9]*) return 1 ;;
    esac
    is_of_server "$postmaster"
}

# Done when no process of the data directory is left, whatever it takes.
server_stop() {
    come_back_cancel
    ! server_postmaster || kill -INT "$postmaster" 2>/dev/null
    until_after "$OCF_RESKEY_stop_timeout"
    walsenders_at=$((now + 50)) senders=none
    while server_postmaster && ! is_late; do
        sleep 0.01
        [ "$now" -lt "$walsenders_at" ] || end_stale_walsenders
    done
    server_is_gone_soon && return 0
    warn "PostgreSQL of $pgdata is not down after $OCF_RESKEY_stop_timeout s: killing what is left of it"
    while server_processes; do
        # shellcheck disable=SC2086
        kill -KILL $processes 2>/dev/null
        sleep 0.05
    done
}

# Backends end when they find their postmaster gone; after it was killed that takes them a moment.
server_is_gone_soon() {
    tries=25
    while server_processes; do
        ! server_postmaster || return 1
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.02
    done
}

# A fast stop waits until every walsender's standby has all, up to wal_sender_timeout. One that has sent nothing for a second
# after the last checkpoint is to a standby that does not answer, or has all of it on its way.
end_stale_walsenders() {
    walsenders_at=$((now + 100))
    read_control
    case $control_state in
    'shut down'*) ;;
    *) return 0 ;;
    esac
    # Their titles have the position up to which they have sent: one that gets on is not stale, however long it takes.
    seen=$senders
    senders=$(pgrep -a -P "$postmaster" -f walsender)
    stale=$(printf '%s\n' "$senders" | grep -xF "$seen" | cut -d ' ' -f 1 | paste -s -d ' ' -)
    [ -n "$stale" ] || return 0
    say "ending walsenders to standbys that do not answer: $stale"
    # shellcheck disable=SC2086
    kill -TERM $stale 2>/dev/null
}

# Sets what pg_controldata says: control_state, _system, _timeline, _checkpoint, _end (of what is in the data files for sure,
# of a standby), _end_timeline, _segment (bytes), _checksums, _hints
read_control() {
    control=$("$bindir/pg_controldata" -D "$pgdata" 2>&1) || return 1
    control_state=$(control_value 'Database cluster state')
    control_system=$(control_value 'Database system identifier')
    control_timeline=$(control_value "Latest checkpoint's TimeLineID")
    control_checkpoint=$(control_value 'Latest checkpoint location')
    control_end=$(control_value 'Minimum recovery ending location')
    control_end_timeline=$(control_value "Min recovery ending loc's timeline")
    control_segment=$(control_value 'Bytes per WAL segment')
    control_checksums=$(control_value 'Data page checksum version')
    control_hints=$(control_value 'wal_log_hints setting')
}

control_value() {
    printf '%s\n' "$control" | sed -n "s/^$1: *//p"
}

# A WAL position as a number. Usage: position X/Y; sets number
position() {
    number=$((0x${1%/*} * 4294967296 + 0x${1#*/}))
}

stop() {
    server_stop
    say "PostgreSQL of $pgdata is down"
    return "$OCF_SUCCESS"
}
