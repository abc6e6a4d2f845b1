# The record of who may be promoted: one key in etcd with one line of JSON, for example
#   {"system":"7301234567890123456","counter":42,"primary":"pg01","timeline":5,"claimant":"","claimed":0,
#    "entitled":{"pg01":"0/3000000","pg02":"0/5000028"},"highest":6}
# without blanks and in this order. Every write is a compare-and-set on the revision that was read.
# What holds: whoever is entitled has every acknowledged commit.
#
# All of it is done by the shell itself, but for etcdctl: it stands in the way of a promotion. etcdctl prints and reads values with
# escaped quotes, so that is how the record is kept in here.

# Reads it linearizably; sets record_revision (0: there is none) and what record_parse sets.
# 0: done; 1: there is no record; 2: etcd does not answer; 3: what is there is no record
record_read() {
    record_answer=$(etcdctl get -w fields "$record_key" 2>&1 </dev/null) || return 2
    record_revision=0 record_text=
    while read -r name colon value; do
        case $name in
        '"ModRevision"') record_revision=$value ;;
        '"Value"')
            record_text=${value#'"'}
            record_text=${record_text%'"'}
            ;;
        esac
    done <<END
$record_answer
END
    [ "$record_revision" != 0 ] || return 1
    record_parse "$record_text" || return 3
    printf '%s %s\n' "$record_revision" "$record_text" >"$rundir/record"
}

# The one that was read last, by any action. It says nothing of now; a compare-and-set on its revision does.
record_recall() {
    [ -s "$rundir/record" ] && read -r record_revision record_text <"$rundir/record" && record_parse "$record_text"
}

# The same, again and again until etcd answers. Usage: record_insist SECONDS
record_insist() {
    until_after "$1"
    while :; do
        record_read
        status=$?
        [ "$status" -eq 2 ] || return "$status"
        ! is_late || return 2
        sleep 0.05
    done
}

# Usage: record_parse TEXT; sets record_system, _counter, _primary, _timeline, _claimant, _claimed, _entitled, _highest.
# record_entitled is MEMBER@POSITION,MEMBER@POSITION...
record_parse() {
    rest=$1
    take_text '{\"system\":\"' && record_system=$taken &&
        take_number '\",\"counter\":' && record_counter=$taken &&
        take_text ',\"primary\":\"' && record_primary=$taken &&
        take_number '\",\"timeline\":' && record_timeline=$taken &&
        take_text ',\"claimant\":\"' && record_claimant=$taken &&
        take_number '\",\"claimed\":' && record_claimed=$taken &&
        take_entitled &&
        take_number '},\"highest\":' && record_highest=$taken &&
        [ "$rest" = '}' ] && is_number "$record_system"
}

# Each takes from the beginning of rest what must be there, and then a value, which it sets as taken.
take() {
    case $rest in
    "$1"*) rest=${rest#"$1"} ;;
    *) return 1 ;;
    esac
}

take_text() {
    take "$1" || return
    taken=${rest%%'\'*}
    rest=${rest#"$taken"}
    case $taken in
    *[!A-Za-z0-9._-]*) return 1 ;;
    esac
}

take_number() {
    take "$1" || return
    taken=${rest%%[!0-9]*}
    rest=${rest#"$taken"}
    is_number "$taken"
}

is_number() {
    case $1 in
    '' | *[!0-9]* | ?????????????????????*) return 1 ;;
    esac
}

take_entitled() {
    record_entitled=
    take ',\"entitled\":{' || return
    until [ "${rest#\}}" != "$rest" ]; do
        [ -z "$record_entitled" ] || take , || return
        take_text '\"' || return
        member=$taken
        take '\":\"' || return
        taken=${rest%%'\'*}
        rest=${rest#"$taken"}
        case $taken in
        */*/* | *[!0-9A-F/]* | /* | */) return 1 ;;
        */*) ;;
        *) return 1 ;;
        esac
        take '\"' || return
        record_entitled=$record_entitled${record_entitled:+,}$member@$taken
    done
}

# Usage: is_entitled MEMBER; sets entitled_at, the position at which it was entitled
is_entitled() {
    case ",$record_entitled," in
    *",$1@"*)
        entitled_at=,$record_entitled,
        entitled_at=${entitled_at#*",$1@"}
        entitled_at=${entitled_at%%,*}
        ;;
    *) return 1 ;;
    esac
}

# The entitled without one member. Usage: entitled_without MEMBER; sets others_entitled
entitled_without() {
    others_entitled=
    for each in $(echo "$record_entitled" | tr , ' '); do
        [ "${each%@*}" = "$1" ] || others_entitled=$others_entitled${others_entitled:+,}$each
    done
}

# A record's text, with the counter of what was read plus 1; sets composed.
# Usage: compose PRIMARY TIMELINE CLAIMANT CLAIMED ENTITLED HIGHEST
compose() {
    q='\"'
    composed_entitled=
    left=$5
    while [ -n "$left" ]; do
        each=${left%%,*}
        composed_entitled=$composed_entitled${composed_entitled:+,}$q${each%@*}$q:$q${each#*@}$q
        left=${left#"$each"}
        left=${left#,}
    done
    composed="{${q}system$q:$q$record_system$q,${q}counter$q:$((record_counter + 1)),${q}primary$q:$q$1$q,${q}timeline$q:$2"
    composed="$composed,${q}claimant$q:$q$3$q,${q}claimed$q:$4,${q}entitled$q:{$composed_entitled},${q}highest$q:$6}"
}

# Writes the record over the revision that was read. A write without an answer may be made at any later time, also after a
# read that did not show it, so only another compare-and-set settles it (rule 1): one that succeeds, which voids the first; or one
# that is refused, after which a read shows either this very record, or that somebody else's came before.
# Usage: record_write TEXT SECONDS
# 0: made, record_revision and what record_parse sets are of it; 1: refused, somebody wrote; 2: no answer
record_write() {
    doubt=no
    until_after "$2"
    while :; do
        if [ -n "$prepared" ]; then record_txn_prepared "$1"; else txn_answer=$(record_txn "$1" | timed_etcdctl 2 2>&1); fi
        case $txn_answer in
        *'"succeeded":true'*)
            record_revision=${txn_answer#*'"revision":'}
            record_revision=${record_revision%%[!0-9]*}
            record_text=$1
            record_parse "$1"
            return
            ;;
        '{"header":'*)
            [ "$doubt" = yes ] || return 1
            record_insist 5
            [ $? -ne 2 ] || return 2
            [ "$record_text" = "$1" ]
            return
            ;;
        esac
        doubt=yes
        ! is_late || return 2
        sleep 0.05
    done
}

# Usage: record_txn TEXT; etcdctl reads compares, what to do then, and what else, with an empty line after each
record_txn() {
    printf 'mod("%s") = "%s"\n\nput %s "%s"\n\n\n' "$record_key" "$record_revision" "$record_key" "$1"
}

# ETCDCTL_COMMAND_TIMEOUT is not for transactions. In the agent's process group, so that it does not outlive an action that is killed.
# Usage: timed_etcdctl SECONDS
timed_etcdctl() {
    timeout --foreground "$1" etcdctl txn -w json
}

# The next write's etcdctl is started before it is known what is to be written, as that takes longer than the write. If it ends
# before that, it has written nothing, and counts as an answer that did not come. Usage: record_prepare PIPE
prepared=
record_prepare() {
    prepared_pipe=$1
    timed_etcdctl 5 <"$1" >"$1.answer" 2>&1 3>&- 4<&- &
    prepared=$!
    # For reading, too, so that opening it waits for nobody.
    exec 5<>"$1"
}

# Usage: record_txn_prepared TEXT; sets txn_answer
record_txn_prepared() {
    record_txn "$1" >&5
    exec 5>&-
    wait "$prepared"
    prepared=
    txn_answer=
    while read -r line; do
        txn_answer=$txn_answer$line
    done <"$prepared_pipe.answer"
}

# One that is not needed any more ends when its input does.
record_unprepare() {
    [ -n "$prepared" ] || return 0
    exec 5>&-
    prepared=
}

# What this member has seen of the record, kept outside the data directory (rule 17). One that is lower, of another system,
# or gone was emptied or restored: nobody is to be promoted by it. `pgcm adopt` makes a new one.
# Usage: record_is_plausible STATUS-OF-record_read; else why_not says what is wrong
record_is_plausible() {
    seen_system='' seen_timeline=0 seen_counter=0
    [ ! -s "$statedir/highest" ] || read -r seen_system seen_timeline seen_counter <"$statedir/highest"
    case $1 in
    0) ;;
    1)
        [ -n "$seen_system" ] || return 0
        why_not="etcd has no record of who may be promoted at $record_key, though this member has seen one (counter $seen_counter)"
        return 1
        ;;
    *)
        why_not="what is at $record_key in etcd is no record of who may be promoted"
        return 1
        ;;
    esac
    [ -n "$seen_system" ] || return 0
    if [ "$seen_system" != "$record_system" ]; then
        why_not="the record in etcd is of the system $record_system; this member has seen one of $seen_system"
        return 1
    fi
    if [ "$record_counter" -lt "$seen_counter" ] || [ "$record_highest" -lt "$seen_timeline" ]; then
        why_not="the record in etcd has counter $record_counter; this member has seen counter $seen_counter"
        return 1
    fi
}

# Keeps that this record was seen.
record_seen() {
    seen="$record_system $record_highest $record_counter"
    kept=
    [ ! -s "$statedir/highest" ] || read -r kept <"$statedir/highest"
    [ "$kept" = "$seen" ] || printf '%s\n' "$seen" | keep "$statedir/highest"
}

# Standard input becomes the file's content, whole or not at all. A monitor may do so while what a promotion has left to do in the
# background does: each has a new file of its own. Usage: keep FILE
keep() {
    new=$1.$$.new
    mkdir -p "${1%/*}" && cat >"$new" && sync "$new" && mv "$new" "$1" && sync "${1%/*}"
}
