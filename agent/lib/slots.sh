# Every member has a slot for every other: the primary's are in use, a standby's keep what the others may still need after it is
# promoted. max_slot_wal_keep_size bounds what a member that does not come back costs.

# Sets wanted_slots, those that there should be, as an SQL list.
find_wanted_slots() {
    wanted_slots=
    find_others
    for name in $others; do
        slot_of "$name"
        wanted_slots="$wanted_slots'$slot',"
    done
    wanted_slots=${wanted_slots}NULL
}

make_slots() {
    find_wanted_slots
    # One whose WAL is gone (max_slot_wal_keep_size) is of no use to anybody, and cannot be moved on.
    ask "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
         WHERE slot_name IN ($wanted_slots) AND wal_status = 'lost' AND NOT active;
         SELECT pg_create_physical_replication_slot(name, true) FROM unnest(ARRAY[$wanted_slots]::text[]) AS wanted (name)
         WHERE name IS NOT NULL AND NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = name)" >/dev/null
}

# Whether half a minute is over since it was last said to be.
slots_are_due() {
    look_at_clock
    last=0
    [ ! -s "$rundir/slots" ] || read -r last <"$rundir/slots"
    [ $((now - last)) -ge 3000 ] || [ "$last" -gt "$now" ] || return 1
    echo "$now" >"$rundir/slots"
}

# A standby's slots follow the primary's. Usage: advance_slots ADDRESS-OF-THE-PRIMARY
advance_slots() {
    slots_are_due || return 0
    make_slots
    slot_of "$record_primary"
    # The primary has no slot for itself. It would need what a rewind needs, from a checkpoint on that both have.
    ask "SELECT pg_replication_slot_advance(slot_name, redo_lsn) FROM pg_replication_slots, pg_control_checkpoint()
         WHERE slot_name = '$slot' AND NOT active AND restart_lsn < redo_lsn" >/dev/null
    positions=$(ask_other "$1" "SELECT format('(%L::text, %L::pg_lsn)', slot_name, restart_lsn) FROM pg_replication_slots
        WHERE restart_lsn IS NOT NULL AND slot_type = 'physical' AND slot_name IN ($wanted_slots)") || return 0
    [ -n "$positions" ] || return 0
    ask "SELECT pg_replication_slot_advance(s.slot_name, LEAST(v.lsn, pg_last_wal_replay_lsn()))
         FROM (VALUES $(printf '%s\n' "$positions" | paste -s -d , -)) AS v (name, lsn)
         JOIN pg_replication_slots s ON s.slot_name = v.name
         WHERE NOT s.active AND s.restart_lsn < LEAST(v.lsn, pg_last_wal_replay_lsn())" >/dev/null
}
