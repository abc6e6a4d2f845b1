# A promotion: claim, promote, confirm, and only then acknowledge (rules 8 and 9).
#
# One session goes through all of it: it begins on the standby, holds the lock of synchronous_standby_names from before the
# confirmation, and lifts the barrier. Each program that is started costs clients some milliseconds, so what is needed later is
# started while something else is waited for, and what is not needed for the first commit comes after it.

# Where a standby is, and on which timeline a primary writes, in SQL.
here='greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())'
own_wal="('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int"

promote() {
    make_rundir
    # It may have been demoted a moment ago, and be on its way back.
    : >"$rundir/hurry"
    until_after 20
    while come_back_runs && ! is_late; do sleep 0.02; done
    pipes=$rundir/promote.$$
    make_pipes || {
        refuse "no pipes could be made in $rundir"
        return
    }
    session_open 50 "$pipes.in" "$pipes.out"
    record_prepare "$pipes.claim"
    # While both start. A claim over the record that was read last succeeds only if that is still the record.
    record_recall && is_entitled "$me" && recalled=yes || recalled=no
    promote_by_record
    status=$?
    if [ "$status" -eq 250 ]; then
        recalled=no
        promote_by_record
        status=$?
    fi
    record_unprepare
    session_close
    rm -f "$pipes".* &
    return "$status"
}

# An earlier call that was killed may have left some.
make_pipes() {
    set -- "$pipes.in" "$pipes.out" "$pipes.claim" "$pipes.confirmation"
    mkfifo "$@" 2>/dev/null || { rm -f "$pipes".* && mkfifo "$@"; }
}

# 250: the record is another by now than the one that was recalled
promote_by_record() {
    status=0
    if [ "$recalled" = no ]; then
        record_insist 20
        status=$?
        if [ "$status" -eq 2 ]; then
            refuse "etcd ($OCF_RESKEY_etcd_endpoints) does not answer: $record_answer"
            return
        fi
    fi
    # Nothing to do, or an earlier call was ended before it had confirmed: then it has acknowledged nothing.
    if ! session_ask "SELECT CASE WHEN NOT pg_is_in_recovery() THEN $own_wal END"; then
        refuse "PostgreSQL does not answer: $answer"
        return
    fi
    if [ -n "$answer" ]; then
        [ "$recalled" = no ] || return 250
        if [ "$record_primary" = "$me" ] && [ "$record_timeline" = "$answer" ]; then return "$OCF_SUCCESS"; fi
        step_down "PostgreSQL takes writes on timeline $answer, and the record does not name $me with it"
        return
    fi
    if ! may_be_promoted "$status"; then
        [ "$recalled" = no ] || return 250
        refuse "$why_not"
        return
    fi
    take_over
}

# Without the score, whatever the reason: else Pacemaker would try the same member again and again, and no other one that is
# entitled (rule 13). monitor gives it back. Usage: refuse WHY
refuse() {
    score -INFINITY
    fail "not promoted: $1"
    return "$OCF_ERR_GENERIC"
}

# Usage: may_be_promoted STATUS-OF-record_read
may_be_promoted() {
    record_is_plausible "$1" || return 1
    [ "$1" -eq 0 ] || {
        why_not="there is no record of who may be promoted at $record_key in etcd yet: the members make it when all of them answer"
        return 1
    }
    is_entitled "$me" || {
        why_not="the record in etcd (counter $record_counter) entitles $record_entitled, not $me"
        return 1
    }
    # After a start there may be WAL that it has not applied yet: as long as that goes on, it is waited for.
    session_ask "DO \$\$ DECLARE before pg_lsn; at timestamptz := clock_timestamp(); BEGIN
          WHILE $here < '$entitled_at' AND clock_timestamp() < at + interval '1 s' LOOP
            IF $here IS DISTINCT FROM before THEN at := clock_timestamp(); before := $here; END IF;
            PERFORM pg_sleep(0.02);
          END LOOP; END \$\$;
        SELECT concat_ws('|', $here >= '$entitled_at', (SELECT system_identifier FROM pg_control_system()),
                              (SELECT timeline_id FROM pg_control_checkpoint()), $here)" || {
        why_not="PostgreSQL does not answer: $answer"
        return 1
    }
    case $answer in
    "t|$record_system|"*) ;;
    "f|$record_system|"*)
        why_not="$me was entitled at $entitled_at and has only ${answer##*|}: its data is older than that"
        return 1
        ;;
    *)
        why_not="PostgreSQL here is of another system than the record's $record_system, or has no position: $answer"
        return 1
        ;;
    esac
    own_timeline=${answer#"t|$record_system|"}
    own_timeline=${own_timeline%|*}
}

take_over() {
    # Above what anybody has reserved, and what is here of promotions that were nobody's of these.
    timeline=$((record_highest + 1))
    history_file "$timeline"
    while [ -e "$file" ]; do
        timeline=$((timeline + 1))
        history_file "$timeline"
    done
    compose "$record_primary" "$record_timeline" "$me" "$timeline" "$record_entitled" "$timeline"
    # The last primary's score is what it was, until its next monitor. Whoever asked Pacemaker for this move takes the request back as
    # soon as PostgreSQL takes writes, and the higher score would move it back at once: so a later timeline has the higher one.
    score_in_background "$((1000 + timeline))"
    record_write "$composed" 20
    status=$?
    [ "$status" -ne 1 ] || [ "$recalled" = no ] || return 250
    [ "$status" -eq 0 ] || {
        refuse "the claim of timeline $timeline was refused, as the record was written meanwhile, or etcd does not answer"
        return
    }
    record_prepare "$pipes.confirmation"
    reserve_timelines "$own_timeline" "$timeline"
    session_ask "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = $names_lock AND granted;
        SELECT pg_advisory_lock($names_lock);
        SELECT pg_promote(false);
        DO \$\$ BEGIN WHILE pg_is_in_recovery() LOOP PERFORM pg_sleep(0.002); END LOOP; END \$\$;
        SELECT concat_ws('|', $own_wal, pg_current_wal_flush_lsn())" || {
        step_down "PostgreSQL was not promoted: $answer"
        return
    }
    if [ "${answer%|*}" != "$timeline" ]; then
        step_down "PostgreSQL was promoted to timeline ${answer%|*} in place of $timeline"
        return
    fi
    score_is_set
    confirm "${answer#*|}" || {
        step_down "timeline $timeline was not confirmed: another claimed over it, or etcd does not answer"
        return
    }
    # supervise may have ended this session, if the answer to the confirmation was late: then it has lifted the barrier.
    take_writes || ask 'SELECT 1' >/dev/null || {
        step_down "confirmed, but it does not take writes: $answer"
        return
    }
    after_promotion &
    return "$OCF_SUCCESS"
}

# A member that withdraws itself meanwhile writes the record, too, and leaves the claim as it is: that is no claim over this one.
# Usage: confirm POSITION
confirm() {
    tries=5
    while [ "$tries" -gt 0 ]; do
        compose "$me" "$timeline" '' 0 "$me@$1" "$record_highest"
        record_write "$composed" 20
        case $? in
        0) return 0 ;;
        1) record_insist 5 || return 1 ;;
        *) return 1 ;;
        esac
        ! { [ "$record_primary" = "$me" ] && [ "$record_timeline" = "$timeline" ]; } || return 0
        [ "$record_claimant" = "$me" ] && [ "$record_claimed" = "$timeline" ] && is_entitled "$me" || return 1
        tries=$((tries - 1))
    done
    return 1
}

# PostgreSQL takes the number after the newest history that it finds, so there has to be one for each that is skipped. Nobody follows
# them: their history has nobody's timeline. Usage: reserve_timelines OWN NEXT
reserve_timelines() {
    skipped=$(($1 + 1))
    while [ "$skipped" -lt "$2" ]; do
        file=$pgdata/pg_wal/$(printf '%08X' "$skipped").history
        if [ ! -e "$file" ]; then
            echo '# reserved: a promotion to this timeline was claimed and did not come' >"$file"
            chown "$OCF_RESKEY_pgdba:" "$file"
        fi
        skipped=$((skipped + 1))
    done
}

# Only now clients get answers. A commit of its own shows that it is so: the checkpointer has to take the setting in first.
take_writes() {
    [ "$OCF_RESKEY_sync_mode" != strict ] || return 0
    session_ask "ALTER SYSTEM SET synchronous_standby_names = '';
        SELECT pg_reload_conf();
        SELECT pg_logical_emit_message(true, 'pgcm', 'promoted')"
}

# It has acknowledged nothing, so nothing is lost with it.
step_down() {
    server_postmaster && kill -QUIT "$postmaster" 2>/dev/null
    score -INFINITY
    server_stop
    fail "stepped down: $1"
    return "$OCF_ERR_GENERIC"
}

# pg_rewind of others needs this checkpoint.
after_promotion() {
    say "promoted to timeline $timeline"
    exec </dev/null >/dev/null 2>&1 3>&- 4<&- 5>&-
    # Clients go on first.
    sleep 0.3
    data_status LATEST
    record_seen
    rm -f "$rundir/not-streaming" "$statedir/left-behind"
    # A standby asks for every history between its own timeline and this one, and stays away while one is missing.
    reserve_timelines 1 "$timeline"
    OCF_RESKEY_probe_timeout=600
    make_slots
    ask CHECKPOINT
}

# Down, and back as a standby while Pacemaker promotes another.
demote() {
    server_stop
    come_back_start
    return "$OCF_SUCCESS"
}
