# Whom Pacemaker prefers. Each member sets its own score only (rule 12).

# Usage: score VALUE
score() {
    score_is_set
    ! is_told score "$1" || return 0
    if timeout 10 crm_attribute --promotion "$OCF_RESOURCE_INSTANCE" --lifetime reboot --update="$1" >/dev/null 2>&1; then
        told score "$1"
    else
        ocf_log debug "Pacemaker does not take the promotion score $1"
    fi
}

# As score, while something else is done. Usage: score_in_background VALUE
scoring=
score_in_background() {
    score_is_set
    score "$1" 3>&- 4<&- 5>&- &
    scoring=$!
}

# Whatever is told in the background is told by then.
score_is_set() {
    [ -n "$scoring" ] || return 0
    wait "$scoring"
    scoring=
}

# What Pacemaker was told last, and when: to tell it again costs a program, and starts its scheduler on all that it knows. It is told
# again after a while, as it forgets a node that was away. Usage: is_told NAME VALUE
is_told() {
    told_at='' told_what=
    { read -r told_at told_what <"$rundir/$1"; } 2>/dev/null
    look_at_clock
    [ -n "$told_at" ] && [ "$told_what" = "$2" ] && [ "$now" -ge "$told_at" ] && [ $((now - told_at)) -lt 1500 ]
}

# Usage: told NAME VALUE
told() {
    look_at_clock
    echo "$now $2" >"$rundir/$1"
}

# Pacemaker was started anew, and knows nothing.
forget_what_was_told() {
    rm -f "$rundir/score" "$rundir/state" "$rundir/data-status"
}

# A standby's score by the record; one that cannot be read leaves it as it is. The one that streams is better: it may be that
# the other one has just been cut off. Usage: score_standby STATUS-OF-record_read STREAMING(yes, no)
score_standby() {
    [ "$1" -ne 2 ] || return 0
    if ! record_is_plausible "$1"; then
        warn "$why_not"
        score -INFINITY
        return
    fi
    [ "$1" -eq 0 ] || {
        score -INFINITY
        return
    }
    record_seen
    if ! is_entitled "$me"; then
        [ "$2" = no ] || data_status 'STREAMING|ASYNC'
        score -INFINITY
    elif [ "$2" = yes ]; then
        data_status 'STREAMING|SYNC'
        score 100
    else
        score 90
    fi
}
