# Whose history this member's is: timeline numbers alone do not say, and PostgreSQL goes by them.

# Of a timeline in this member's own words. Usage: history_file TIMELINE; sets file
history_file() {
    file=$pgdata/pg_wal/$(printf '%08X' "$1").history
}

# PostgreSQL starts with the newest history that it finds, and not at all if its own data is not in that. Such ones are placeholders of
# a promotion that did not come (lib/promote.sh), and what a standby has got from a primary that was never confirmed.
# PostgreSQL fetches a history again from the primary that it streams from.
remove_unfit_histories() {
    read_control || return 0
    reached=$control_timeline
    [ "${control_end_timeline:-0}" -le "$reached" ] || reached=$control_end_timeline
    position "$control_checkpoint"
    checkpoint_number=$number
    position "${control_end:-0/0}"
    end_number=$number
    for name in $(ls -r "$pgdata/pg_wal" 2>/dev/null | grep -E '^[0-9A-F]{8}\.history$'); do
        [ $((0x${name%.history})) -gt "$reached" ] || break
        ! fits_into "$pgdata/pg_wal/$name" || break
        say "removing $name, which does not have what is here on timeline $reached"
        rm -f "$pgdata/pg_wal/$name"
    done
}

# Usage: fits_into HISTORY-FILE
fits_into() {
    left_at=$(awk -v tli="$reached" '$1 == tli { print $2 }' "$1" | tail -n 1)
    [ -n "$left_at" ] || return 1
    position "$left_at"
    [ "$checkpoint_number" -lt "$number" ] && [ "$end_number" -le "$number" ]
}

# A number that was used twice, by somebody's hand, fools pg_rewind and streaming alike. Two histories of one number differ in where
# they begin, or in their first record, which has the time in it. Where one of the two does not have that any more, nobody can tell.
# Usage: is_same_timeline TIMELINE, with source and what read_control sets
is_same_timeline() {
    [ "$1" -gt 1 ] || return 0
    history_file "$1"
    [ -s "$file" ] || return 0
    theirs=$(ask_walsender "$source" "TIMELINE_HISTORY $1") || return 0
    theirs=$(printf '%s\n' "$theirs" | sed 's/^[^|]*|//' | awk '$1 ~ /^[0-9]+$/ { print $1, $2 }')
    # A placeholder: the primary passed this number over, so it is not in its history.
    [ -n "$theirs" ] || return 0
    ours=$(awk '$1 ~ /^[0-9]+$/ { print $1, $2 }' "$file")
    [ "$ours" = "$theirs" ] || return 1
    position "${ours##* }"
    first_record_of "$1"
    [ -s "$pgdata/pg_wal/$segment" ] || return 0
    theirs=$(ask_other "$source" "SELECT md5(pg_read_binary_file('pg_wal/$segment', $offset, 24, true))") || return 0
    [ -n "$theirs" ] || return 0
    ours=$(tail -c "+$((offset + 1))" "$pgdata/pg_wal/$segment" | head -c 24 | md5sum)
    [ "${ours%% *}" = "$theirs" ]
}

# The header of the first record after a position, with its checksum. Usage: first_record_of TIMELINE, with number; sets segment, offset
first_record_of() {
    per_file=$((4294967296 / control_segment))
    segment=$((number / control_segment))
    segment=$(printf '%08X%08X%08X' "$1" $((segment / per_file)) $((segment % per_file)))
    offset=$((number % control_segment))
    # Where a page begins there is its own header first, and a longer one in a file's first page.
    if [ "$offset" -eq 0 ]; then
        offset=40
    elif [ $((offset % 8192)) -eq 0 ]; then
        offset=$((offset + 24))
    fi
}
