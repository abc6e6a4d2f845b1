# To start is to become a standby, whatever the member was before: of the confirmed primary, if there is one and it answers.

start() {
    make_rundir
    mkdir -p "$statedir"
    forget_what_was_told
    rm -f "$rundir/group" "$rundir"/promote.* "$statedir"/*.new
    if server_postmaster; then
        say "PostgreSQL of $pgdata runs already"
        return "$OCF_SUCCESS"
    fi
    # Orphaned backends of a postmaster that was killed. Its file may name a process that is anybody's by now.
    server_stop
    rm -f "$pgdata/postmaster.pid"
    become_standby || return
    await_connections
}

# As start, but nobody waits for it: a demoted primary comes back while the next one is promoted.
come_back() {
    mkdir -p "$statedir"
    say 'demoted: PostgreSQL is down after a fast stop, and comes back as a standby'
    state 'coming back'
    # It has still the score of the primary that it was.
    score -INFINITY
    await_successor
    become_standby && await_connections
    status=$?
    rm -f "$rundir/worker"
    exit "$status"
}

# Which history it has to fit to is known when its successor is confirmed: that is soon, or there is none.
await_successor() {
    until_after 3
    while ! is_late && [ ! -e "$rundir/hurry" ]; do
        record_read && [ "$record_primary" != "$me" ] && return
        sleep 0.2
    done
}

# The agent again, as a process group of its own, a moment later: the promotion of another member has the machine first. Its number is
# kept with its start, as numbers come again.
come_back_start() {
    make_rundir
    [ ! -e "$rundir/hurry" ] || rm -f "$rundir/hurry"
    setsid sh -c 'sleep 0.4; exec sh "$0" come-back' "$0" </dev/null >>"$rundir/come-back.log" 2>&1 &
    worker=$!
    started_at "$worker"
    echo "$worker $started" >"$rundir/worker"
}

# Usage: started_at PID; sets started, in the kernel's ticks since its own start
started_at() {
    started=
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    # After the program's name, which is in parentheses and may have some, from the third field on.
    set -- ${stat##*) }
    shift 19
    started=$1
}

# Sets worker; 1: none is at work.
come_back_runs() {
    worker=
    [ -s "$rundir/worker" ] || return 1
    read -r worker since <"$rundir/worker"
    started_at "$worker"
    [ -n "$since" ] && [ "$started" = "$since" ]
}

# The whole group: pg_rewind and pg_basebackup may outlive the worker, and must not go on writing. A postmaster that it has just
# started is not of the group.
come_back_cancel() {
    if come_back_runs || come_back_is_orphaned; then
        kill -TERM "-$worker" 2>/dev/null
        until_after 2
        while kill -0 "-$worker" 2>/dev/null && ! is_late; do sleep 0.02; done
        while kill -KILL "-$worker" 2>/dev/null; do sleep 0.02; done
        # A postmaster that it has just started may be in neither its group nor its data directory yet.
        sleep 0.2
    fi
    [ ! -e "$rundir/worker" ] || rm -f "$rundir/worker"
}

# Whether the worker is gone, and its group is not.
come_back_is_orphaned() {
    [ -n "$worker" ] && [ ! -e "/proc/$worker" ] || return 1
    for pid in $(pgrep -g "$worker"); do
        ! tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | grep -qxF "OCF_RESOURCE_INSTANCE=$OCF_RESOURCE_INSTANCE" || return 0
    done
    return 1
}

become_standby() {
    rm -f "$rundir/not-streaming"
    there_is_data || return
    fit_to_primary || return
    remove_unfit_histories
    own_settings && launch
}

# Who is the primary, and does this member's data fit to it? Whoever cannot tell starts as it is: a standby alone does no harm, and
# monitor looks again.
fit_to_primary() {
    record_insist 3
    status=$?
    if [ -e "$touched" ]; then
        unfinished=$(cat "$touched")
        [ "$status" -eq 0 ] && primary_answers || {
            fail "$pgdata was left by an interrupted $unfinished, and there is no confirmed primary that answers to copy it from: ${why_not-}"
            return "$OCF_ERR_GENERIC"
        }
        rebuild "a $unfinished was interrupted"
        return
    fi
    [ "$status" -eq 0 ] || return 0
    # What an emptied or restored record says of the primary is no reason to give up what this member has (rule 17).
    record_is_plausible 0 || {
        warn "starting as it is: $why_not: pgcm adopt"
        return 0
    }
    record_seen
    [ "$record_primary" != "$me" ] || return 0
    read_control || {
        fail "$bindir/pg_controldata of $pgdata: $control"
        return "$OCF_ERR_INSTALLED"
    }
    primary_answers || {
        say "starting without a look at the primary's history: $why_not"
        return 0
    }
    if [ -e "$statedir/left-behind" ]; then
        rebuild "$(cat "$statedir/left-behind")"
        return
    fi
    fit
}

# The primary that the record has, confirmed: it takes writes on the record's timeline. Sets source, its address, and
# source_checkpoint, the timeline in its control file.
primary_answers() {
    address_of "$record_primary" || {
        why_not="the record names $record_primary, which is not in node_list"
        return 1
    }
    source=$address
    source_answer=$(ask_other "$source" "
        SELECT pg_is_in_recovery(), CASE WHEN NOT pg_is_in_recovery()
               THEN $own_wal END,
               (SELECT timeline_id FROM pg_control_checkpoint()), (SELECT system_identifier FROM pg_control_system())") || {
        why_not="$record_primary ($source) does not answer: $source_answer"
        return 1
    }
    case $source_answer in
    "f|$record_timeline|"*) ;;
    *)
        why_not="$record_primary ($source) is not primary on the record's timeline $record_timeline (it says $source_answer)"
        return 1
        ;;
    esac
    source_system=${source_answer##*|}
    [ "$source_system" = "$record_system" ] || {
        why_not="$record_primary ($source) is of the system $source_system, and the record of $record_system"
        return 1
    }
    source_checkpoint=${source_answer#*|*|}
    source_checkpoint=${source_checkpoint%%|*}
}

# Where this member's timeline ends in the primary's history, and whether its data goes on after that.
fit() {
    if [ "$source_system" != "$control_system" ]; then
        rebuild "its system identifier $control_system is not the primary's, $source_system"
        return
    fi
    # Recovery without a primary writes to the timeline, so only one that is not the primary's may be written to: a copy of the
    # primary (backup_label, or its very timeline) would get a history of its own with the same number.
    [ ! -e "$pgdata/backup_label" ] || return 0
    case $control_state in
    'in production' | 'shutting down' | 'in crash recovery')
        # It crashed as a primary, perhaps in its shutdown, or in an earlier recovery: where its WAL ends shows when it has recovered.
        [ "$control_timeline" -eq "$record_timeline" ] || recover_alone || {
            rebuild "it does not recover from its crash ($recovery)"
            return
        }
        read_control
        ;;
    esac
    own_timeline=$control_timeline
    [ "${control_end_timeline:-0}" -le "$own_timeline" ] || own_timeline=$control_end_timeline
    is_same_timeline "$own_timeline" || {
        rebuild "its timeline $own_timeline is another than the primary's of that number"
        return
    }
    [ "$own_timeline" -ne "$record_timeline" ] || return 0
    # A promotion that was never confirmed: pg_rewind finds where the two histories part.
    fork_of "$own_timeline" || {
        fork='a point before that'
        rewind
        return
    }
    position "$fork"
    fork_number=$number
    position "$control_checkpoint"
    # The checkpoint's record begins there, so it is not in the primary's history if that leaves at this point.
    [ "$number" -lt "$fork_number" ] || {
        rewind
        return
    }
    position "${control_end:-0/0}"
    [ "$number" -le "$fork_number" ] || {
        rewind
        return
    }
    trim
}

# Where the primary's history leaves a timeline. Usage: fork_of TIMELINE; sets fork. 1: its history does not have that timeline
fork_of() {
    history=$(ask_walsender "$source" "TIMELINE_HISTORY $record_timeline") || return 1
    fork=$(printf '%s\n' "$history" | sed 's/^[^|]*|//' | awk -v tli="$1" '$1 == tli { print $2 }' | tail -n 1)
    [ -n "$fork" ]
}

# WAL that was received after the fork and is in no data file yet: PostgreSQL would apply it, as it is there.
trim() {
    per_file=$((4294967296 / control_segment))
    number=$fork_number
    segment=$((number / control_segment))
    prefix=$(printf '%08X' "$own_timeline")
    first=$(printf '%s%08X%08X' "$prefix" $((segment / per_file)) $((segment % per_file)))
    if [ -e "$pgdata/pg_wal/$first" ]; then
        truncate -s $((number % control_segment)) "$pgdata/pg_wal/$first"
        truncate -s "$control_segment" "$pgdata/pg_wal/$first"
    fi
    for file in "$pgdata/pg_wal/$prefix"????????????????; do
        [ -e "$file" ] || continue
        [ "$(printf '%s\n' "${file##*/}" "$first" | sort | head -n 1)" = "${file##*/}" ] || rm -f "$file"
    done
}

# Crash recovery to the end of what is there, without becoming anybody's standby or primary.
recover_alone() {
    rm -f "$pgdata/standby.signal" "$pgdata/recovery.signal"
    recovery=$(runuser -u "$OCF_RESKEY_pgdba" -- "$bindir/postgres" --single -D "$pgdata" \
        -c "config_file=$OCF_RESKEY_config" -c synchronous_standby_names= template1 2>&1 </dev/null) || {
        recovery=$(printf '%s' "$recovery" | tail -n 1)
        return 1
    }
}

# pg_rewind compares what both control files say, so the primary must have had its checkpoint since its promotion: before it, and
# with a timeline number that was used twice, it says that no rewind is required.
rewind() {
    what="it has what the primary $record_primary has not: its timeline $own_timeline left the primary's at $fork"
    if ! ocf_is_true "$OCF_RESKEY_rewind"; then
        rebuild "$what"
        return
    fi
    withdraw || return
    until_after 30
    while [ "$source_checkpoint" -ne "$record_timeline" ]; do
        ! is_late || {
            fail "$me is to be rewound, but $record_primary's control file shows timeline $source_checkpoint in place of $record_timeline: no checkpoint since its promotion. Run CHECKPOINT there"
            return "$OCF_ERR_GENERIC"
        }
        sleep 0.05
        primary_answers || {
            fail "$me is to be rewound, but $why_not"
            return "$OCF_ERR_GENERIC"
        }
    done
    case $control_state in
    'shut down' | 'shut down in recovery') ;;
    *) recover_alone || {
        rebuild "it does not recover ($recovery)"
        return
    } ;;
    esac
    say "rewinding $pgdata onto $record_primary: $what"
    mark_touched rewind || return
    rewound=$(runuser -u "$OCF_RESKEY_pgdba" -- "$bindir/pg_rewind" --target-pgdata="$pgdata" \
        --source-server="$(conninfo_to "$source") dbname=postgres" 2>&1) || {
        rebuild "pg_rewind failed: $(why_of "$rewound")"
        return
    }
    own_settings || return
    rm -f "$touched"
    say "rewound onto $record_primary: $(printf '%s' "$rewound" | tail -n 1)"
}

# The line that says why one of PostgreSQL's programs failed: it may go on to tell how it cleans up. Usage: why_of OUTPUT
why_of() {
    printf '%s\n' "$1" | grep -m 1 'error:' || printf '%s\n' "$1" | tail -n 1
}

# Usage: rebuild WHY
rebuild() {
    if ! ocf_is_true "$OCF_RESKEY_rebuild"; then
        fail "$me does not fit to the primary $record_primary: $1. Its data directory has to be replaced by a copy of the primary's: $(rebuild_command)"
        return "$OCF_ERR_GENERIC"
    fi
    withdraw || return
    primary_answers || {
        fail "$me is to be rebuilt, but $why_not"
        return "$OCF_ERR_GENERIC"
    }
    say "rebuilding $pgdata from $record_primary: $1"
    # Which programs to go on with, should this be interrupted.
    [ ! -s "$pgdata/PG_VERSION" ] || keep "$statedir/version" <"$pgdata/PG_VERSION"
    mark_touched rebuild || return
    find "$pgdata" -mindepth 1 -delete
    copied=$(runuser -u "$OCF_RESKEY_pgdba" -- "$bindir/pg_basebackup" -D "$pgdata" -X stream -c fast \
        -d "$(conninfo_to "$source") application_name=pgcm_rebuild" 2>&1) || {
        fail "the copy of $record_primary ($source) failed: $(why_of "$copied")"
        return "$OCF_ERR_GENERIC"
    }
    own_settings || return
    rm -f "$touched" "$statedir/left-behind"
    say "rebuilt from $record_primary"
}

# Half of a rewind or of a copy is worth nothing, so nothing is done before it is on disk that one has begun. Usage: mark_touched WHAT
mark_touched() {
    echo "$1" | keep "$touched" || {
        fail "$touched could not be written, so there is no $1 of $pgdata"
        return "$OCF_ERR_PERM"
    }
}

rebuild_command() {
    id=${OCF_RESOURCE_INSTANCE%%:*}
    echo "crm_resource --resource $id --set-parameter rebuild --parameter-value yes && crm_resource --cleanup --resource $id --node $me"
}

# Before its data is touched a member withdraws itself, by a write in any case: one that is to entitle it may be on its way (rules 4, 15).
withdraw() {
    tries=10
    while [ "$tries" -gt 0 ]; do
        entitled_without "$me"
        compose "$record_primary" "$record_timeline" "$record_claimant" "$record_claimed" "$others_entitled" "$record_highest"
        record_write "$composed" 5
        case $? in
        0) return 0 ;;
        2) break ;;
        esac
        record_insist 5 || break
        [ "$record_primary" != "$me" ] || break
        tries=$((tries - 1))
    done
    fail "$me could not withdraw from the record in etcd, which it has to before its data is touched"
    return "$OCF_ERR_GENERIC"
}

# A standby, and with the barrier in its own settings, so that it acknowledges nothing when it is promoted (rule 7). They are in the
# data directory, where PostgreSQL keeps what ALTER SYSTEM sets, so they are put there anew each time.
own_settings() {
    auto=$pgdata/postgresql.auto.conf
    # An earlier start that was killed may have left its new file: PostgreSQL cannot read it, so nobody could copy this member.
    rm -f "$auto".*.new
    [ -e "$auto" ] || : >"$auto"
    {
        grep -v '^[[:space:]]*synchronous_standby_names' "$auto"
        echo "synchronous_standby_names = 'FIRST 1000 (pgcm_barrier)'"
    } | keep "$auto" && : >"$pgdata/standby.signal" &&
        chown "$OCF_RESKEY_pgdba:" "$auto" "$pgdata/standby.signal" && chmod 0600 "$auto" &&
        rm -f "$pgdata/recovery.signal" "$pgdata/promote" || {
        fail "the settings of a standby could not be written into $pgdata"
        return "$OCF_ERR_PERM"
    }
}

# On the command line, so that no copied settings override it. libpq tries the members one after the other until it finds one that takes writes.
launch() {
    rm -f "$rundir/received"
    hosts=
    find_others
    slot_of "$me"
    for name in $others; do
        address_of "$name"
        hosts=$hosts${hosts:+,}$address
    done
    replication=
    [ -z "$hosts" ] || replication="-c primary_conninfo='$(conninfo_to "$hosts") application_name=$me target_session_attrs=read-write connect_timeout=2' -c primary_slot_name=$slot"
    launched=$(runuser -u "$OCF_RESKEY_pgdba" -- "$bindir/pg_ctl" start -W -s -D "$pgdata" -l "$OCF_RESKEY_logfile" \
        -o "-c config_file=$OCF_RESKEY_config -c port=$OCF_RESKEY_pgport -c recovery_target_timeline=latest $replication" 2>&1) || {
        fail "pg_ctl start: $launched"
        return "$OCF_ERR_GENERIC"
    }
}

# A standby that lacks WAL until it is consistent waits for a primary: that is "starting up", and monitor says so.
await_connections() {
    until_after 20
    while ! "$bindir/pg_isready" -q -h "$OCF_RESKEY_socketdir" -p "$OCF_RESKEY_pgport"; do
        if is_late; then
            server_postmaster || break
            say "PostgreSQL of $pgdata is still starting up"
            return "$OCF_SUCCESS"
        fi
        # The postmaster writes its file a moment after pg_ctl has returned.
        [ "$now" -lt $((deadline - 1800)) ] || server_postmaster || break
        sleep 0.05
    done
    server_postmaster || {
        fail "PostgreSQL did not start: see $OCF_RESKEY_logfile ($(tail -n 20 "$OCF_RESKEY_logfile" 2>/dev/null | grep -E '(FATAL|PANIC): ' | grep -v 'the database system is' | tail -n 1))"
        return "$OCF_ERR_GENERIC"
    }
    return "$OCF_SUCCESS"
}

# A data directory that an interrupted rebuild has emptied is none, and yet the one to go on with.
there_is_data() {
    [ -e "$touched" ] || [ -s "$pgdata/global/pg_control" ] || {
        fail "there is no PostgreSQL cluster in $pgdata"
        return "$OCF_ERR_INSTALLED"
    }
}
