# What PostgreSQL does, as Pacemaker wants to know it, and what follows from the record for this member.

monitor() {
    make_rundir
    ! ocf_is_probe || forget_what_was_told
    # What it tells Pacemaker it does itself (come_back).
    ! come_back_runs || return "$OCF_SUCCESS"
    if ! server_postmaster; then
        ! server_processes || {
            fail "the postmaster of $pgdata is gone, and processes of it live on"
            return "$OCF_ERR_GENERIC"
        }
        return "$OCF_NOT_RUNNING"
    fi
    look
    status=$?
    case $status in
    0) monitor_running ;;
    124 | 137)
        state hung
        fail "PostgreSQL on $me is hung: it has not answered within $OCF_RESKEY_probe_timeout s"
        return "$OCF_ERR_GENERIC"
        ;;
    *) monitor_not_accepting ;;
    esac
}

# Sets looked: in recovery, timeline of its WAL when primary, whether it streams, and from whom, position, timeline of a standby
look() {
    looked=$(ask "
        SELECT concat_ws('|', pg_is_in_recovery(), CASE WHEN NOT pg_is_in_recovery()
               THEN $own_wal ELSE 0 END,
               coalesce(r.status = 'streaming', false), coalesce(r.sender_host, ''),
               coalesce($here, '0/0'),
               greatest(r.received_tli, (SELECT greatest(min_recovery_end_timeline, 0) FROM pg_control_recovery()),
                        (SELECT timeline_id FROM pg_control_checkpoint())))
        FROM (SELECT) AS one LEFT JOIN pg_stat_wal_receiver r ON true")
}

monitor_not_accepting() {
    case $looked in
    *'starting up'* | *'not yet accepting'* | *'not been yet reached'* | *'No such file or directory'* | *'Connection refused'*)
        # Also between the postmaster's start and its socket. A postmaster that never gets further has a log.
        state 'starting up'
        return "$OCF_SUCCESS"
        ;;
    *'too many clients'* | *'connection slots are reserved'*)
        state 'running, too many clients'
        read_control
        [ "$control_state" != 'in production' ] || return "$OCF_RUNNING_MASTER"
        return "$OCF_SUCCESS"
        ;;
    *)
        state 'not accepting'
        fail "PostgreSQL on $me does not accept connections: $looked"
        return "$OCF_ERR_GENERIC"
        ;;
    esac
}

monitor_running() {
    record_insist 2
    status=$?
    case $looked in
    'f|'*)
        looked=${looked#f|}
        monitor_primary "${looked%%|*}" "$status"
        ;;
    *)
        looked=${looked#t|0|}
        monitor_standby "$status"
        ;;
    esac
}

# It is healthy only if the record names it, on the timeline that it is on; a record that cannot be read says nothing (rules 11, 12).
# Usage: monitor_primary TIMELINE STATUS-OF-record_read
monitor_primary() {
    state running
    if [ "$2" -eq 0 ] && record_is_plausible 0; then
        record_seen
        if [ "$record_primary" != "$me" ] || [ "$record_timeline" -ne "$1" ]; then
            # Else it could be promoted again, in place of the one that the record names.
            score -INFINITY
            fail "$me takes writes on timeline $1, and the record names $record_primary on timeline $record_timeline as primary"
            return "$OCF_FAILED_MASTER"
        fi
        data_status LATEST
        score "$((1000 + $1))"
    elif [ "$2" -ne 2 ]; then
        record_is_plausible "$2" || warn "$why_not: pgcm adopt"
    fi
    if slots_are_due; then
        make_slots
        warn_of_weak_commits
    fi
    return "$OCF_RUNNING_MASTER"
}

# Where synchronous_commit is below on, an acknowledged commit may be lost with the primary. Told when it becomes so.
warn_of_weak_commits() {
    weak=$(ask "
        WITH s (what, value) AS (
            SELECT 'the configuration file', 'synchronous_commit=' || setting FROM pg_file_settings WHERE name = 'synchronous_commit' AND applied
            UNION ALL
            SELECT concat_ws(', ', 'role ' || r.rolname, 'database ' || d.datname), value
            FROM pg_db_role_setting CROSS JOIN unnest(setconfig) AS value
                 LEFT JOIN pg_roles r ON r.oid = setrole LEFT JOIN pg_database d ON d.oid = setdatabase)
        SELECT string_agg(what || ' (' || value || ')', '; ' ORDER BY what) FROM s
        WHERE value ~* '^synchronous_commit=' AND value !~* '=(on|1|t|tr|tru|true|y|ye|yes|remote_apply)$'") || return 0
    told_weak=
    { read -r told_weak <"$rundir/weak"; } 2>/dev/null
    [ "$weak" != "$told_weak" ] || return 0
    echo "$weak" >"$rundir/weak"
    [ -z "$weak" ] || warn "commits of these are not safe against the loss of the primary: $weak"
}

# Usage: monitor_standby STATUS-OF-record_read
monitor_standby() {
    streams=${looked%%|*}
    rest=${looked#*|}
    sender=${rest%%|*}
    rest=${rest#*|}
    position=${rest%%|*}
    own_timeline=${rest#*|}
    if [ "$streams" = t ]; then
        monitor_streaming "$1"
        return "$OCF_SUCCESS"
    fi
    state 'wal receiver not streaming'
    data_status DISCONNECT
    received=0
    { read -r received <"$rundir/received"; } 2>/dev/null
    [ "$received" -le "$own_timeline" ] || own_timeline=$received
    if [ "$1" -eq 0 ] && record_is_plausible 0 && ! streams_soon "$position" "$own_timeline"; then return "$OCF_ERR_GENERIC"; fi
    if [ "$1" -eq 1 ] && record_is_plausible 1; then first_record; else score_standby "$1" no; fi
    return "$OCF_SUCCESS"
}

# Usage: monitor_streaming STATUS-OF-record_read
monitor_streaming() {
    if [ "$1" -eq 0 ] && [ "$record_primary" != "$me" ] && address_of "$record_primary" && [ "$address" != "$sender" ]; then
        state "streams from $sender, and the primary is $record_primary"
    else
        state running
    fi
    score_standby "$1" yes
    advance_slots "$sender"
    # Until its next restart point the control file has the timeline of before, and nobody has this one when it does not stream.
    echo "$own_timeline" >"$rundir/received"
    [ ! -e "$rundir/not-streaming" ] && [ ! -e "$statedir/left-behind" ] || rm -f "$rundir/not-streaming" "$statedir/left-behind"
}

# Whether it will stream from the confirmed primary without help. Looked at from the second time on that it does not stream.
# Usage: streams_soon POSITION TIMELINE; 1: it has to be stopped, and start helps
streams_soon() {
    look_at_clock
    [ -s "$rundir/not-streaming" ] || {
        echo "$now $1" >"$rundir/not-streaming"
        return 0
    }
    read -r since at <"$rundir/not-streaming"
    [ "$at" = "$1" ] || echo "$now $1" >"$rundir/not-streaming"
    [ "$record_primary" != "$me" ] && primary_answers || return 0
    ! has_diverged "$1" "$2" || return 1
    [ $((now - since)) -ge 3000 ] || return 0
    ! is_left_behind "$1" || return 1
    # What it follows in memory, the history of a primary that was never confirmed, is forgotten in a start.
    [ $((now - since)) -lt 6000 ] || [ "$at" != "$1" ] || {
        fail "$me does not stream from $record_primary, which answers, and has stood at $1 for a minute: it is started anew"
        return 1
    }
}

# It has what the primary has not, so it never streams from it, and start rewinds it. Usage: has_diverged POSITION TIMELINE
has_diverged() {
    if read_control && ! is_same_timeline "$2"; then
        fail "$me is on another timeline $2 than the primary $record_primary's: it is stopped, to be rebuilt"
        return 0
    fi
    [ "$record_timeline" -ne "$2" ] || return 1
    fork_of "$2" || {
        # That is the history's word only if the history came.
        case $history in
        *.history*) ;;
        *) return 1 ;;
        esac
        fail "$me is on timeline $2, which the history of the primary $record_primary does not have: it is stopped, to be rewound"
        return 0
    }
    position "$1"
    own_number=$number
    position "$fork"
    [ "$own_number" -gt "$number" ] || return 1
    fail "$me has WAL up to $1, and the primary $record_primary left its timeline $2 at $fork: it is stopped, to be rewound"
}

# The primary has no WAL for it any more: its slot begins later, or was given up. Start rebuilds it then. Usage: is_left_behind POSITION
is_left_behind() {
    slot_of "$me"
    kept=$(ask_other "$source" "SELECT coalesce(restart_lsn::text, 'none') FROM pg_replication_slots
        WHERE slot_name = '$slot' AND (wal_status = 'lost' OR restart_lsn > '$1')") || return 1
    [ -n "$kept" ] || return 1
    behind="$me has WAL up to $1, and the primary $record_primary keeps it from $kept on"
    if ocf_is_true "$OCF_RESKEY_rebuild"; then
        echo "$behind" | keep "$statedir/left-behind"
        fail "$behind: it is stopped, to be rebuilt"
        return 0
    fi
    state "left behind, to be rebuilt"
    warn "$behind: $(rebuild_command)"
    return 1
}

# Two node attributes that crm_mon -A shows: what PostgreSQL does, in words, and how it replicates, in those of
# ocf:heartbeat:pgsql (LATEST, STREAMING|SYNC, STREAMING|ASYNC, DISCONNECT), which tools know; SYNC is who is entitled.
# Usage: state TEXT; data_status STATUS
state() {
    attribute state "$1"
}

data_status() {
    attribute data-status "$1"
}

# Usage: attribute NAME VALUE
attribute() {
    is_told "$1" "$2" || {
        attrd_updater --name "${OCF_RESOURCE_INSTANCE%%:*}-$1" --update "$2" >/dev/null 2>&1 && told "$1" "$2"
    }
}
