# The first record, of a cluster that has none: made when every member answers, by the most advanced, ties by name (rule 16).

first_record() {
    score -INFINITY
    : >"$rundir/positions"
    find_others
    for name in $others "$me"; do
        address_of "$name"
        ask_position "$name" "$address" || {
            say "no record of who may be promoted yet: $name ($address) does not answer as a standby: $found"
            return 0
        }
        echo "$found $name" >>"$rundir/positions"
    done
    most_advanced=$(sort -k 2,2nr -k 3,3nr -k 4,4 "$rundir/positions" | head -n 1)
    [ "$(cut -d ' ' -f 1 "$rundir/positions" | sort -u | wc -l)" -eq 1 ] || {
        fail "the members are of different clusters: $(paste -s -d ';' "$rundir/positions")"
        return 0
    }
    [ "${most_advanced##* }" = "$me" ] || return 0
    # SYSTEM TIMELINE POSITION NAME
    set -- $most_advanced
    record_system=$1 record_counter=0
    lsn=$(ask "SELECT pg_last_wal_replay_lsn()") || return 0
    compose "$me" "$2" '' 0 "$me@$lsn" "$2"
    record_write "$composed" 5 || return 0
    say "made the first record of who may be promoted: $me, the most advanced of all members"
    score 100
}

# Of a standby; a member that takes writes is no standby, and then nobody makes a record. Usage: ask_position NAME ADDRESS; sets found
ask_position() {
    query="SELECT system_identifier || ' ' || (SELECT timeline_id FROM pg_control_checkpoint()) || ' ' ||
           (pg_last_wal_replay_lsn() - '0/0') FROM pg_control_system() WHERE pg_is_in_recovery()"
    if [ "$1" = "$me" ]; then found=$(ask "$query"); else found=$(ask_other "$2" "$query"); fi || return 1
    case $found in
    [0-9]*' '[0-9]*' '[0-9]*) ;;
    *) return 1 ;;
    esac
}
