# What must be right before anything is done (rule 18).

validate() {
    for program in etcdctl runuser setpriv timeout setsid pgrep truncate crm_attribute attrd_updater; do
        command -v "$program" >/dev/null || {
            fail "$program is not installed"
            return "$OCF_ERR_INSTALLED"
        }
    done
    [ -x "$bindir/postgres" ] || {
        fail "bindir: there is no $bindir/postgres"
        return "$OCF_ERR_INSTALLED"
    }
    [ -n "$OCF_RESKEY_node_list" ] && address_of "$me" || {
        fail "node_list: '$OCF_RESKEY_node_list' does not have this node, $me"
        return "$OCF_ERR_CONFIGURED"
    }
    case $OCF_RESKEY_sync_mode in
    async | strict) ;;
    *)
        fail "sync_mode: '$OCF_RESKEY_sync_mode' is not async or strict"
        return "$OCF_ERR_CONFIGURED"
        ;;
    esac
    # It may be in the data directory that an interrupted rebuild has emptied.
    [ ! -e "$touched" ] || return "$OCF_SUCCESS"
    [ -r "$OCF_RESKEY_config" ] || {
        fail "config: $OCF_RESKEY_config is not there"
        return "$OCF_ERR_INSTALLED"
    }
    validate_settings
}

validate_settings() {
    refused restart_after_crash on "a crash is Pacemaker's to decide on" || return "$OCF_ERR_CONFIGURED"
    refused fsync off "what was acknowledged would not be on disk" || return "$OCF_ERR_CONFIGURED"
    refused full_page_writes off "a crash could leave torn pages, also on what is rewound" || return "$OCF_ERR_CONFIGURED"
    refused hot_standby off "nobody could ask a standby how far it is" || return "$OCF_ERR_CONFIGURED"
    bounded wal_sender_timeout && bounded wal_receiver_timeout || return "$OCF_ERR_CONFIGURED"
    read_control || {
        fail "$bindir/pg_controldata of $pgdata: $control"
        return "$OCF_ERR_INSTALLED"
    }
    if ocf_is_true "$OCF_RESKEY_rewind" && [ "$control_checksums" = 0 ] && [ "$(setting wal_log_hints)" != on ]; then
        fail "rewind: pg_rewind needs data checksums or wal_log_hints = on"
        return "$OCF_ERR_CONFIGURED"
    fi
    warn_of_release
    return "$OCF_SUCCESS"
}

# Older minor releases let a backend that starts pass synchronous_standby_names for a moment (mended in 17.5, 16.9, 15.13, 14.18, 13.21).
warn_of_release() {
    release=$("$bindir/postgres" --version | sed 's/[^0-9]*\([0-9]*\)\.\([0-9]*\).*/\1 \2/')
    case $release in
    [0-9]*' '[0-9]*) ;;
    *) return 0 ;;
    esac
    case ${release% *} in
    13) least=21 ;;
    14) least=18 ;;
    15) least=13 ;;
    16) least=9 ;;
    17) least=5 ;;
    *) least=0 ;;
    esac
    [ "${release#* }" -ge "$least" ] ||
        warn "PostgreSQL ${release% *}.${release#* }: a commit just after a start may not wait for its standby; ${release% *}.$least mends that"
}

# Not in a start, for which others may wait: each setting costs a program.
warn_of_settings() {
    case $(setting synchronous_commit) in
    on | remote_apply) ;;
    *) warn "synchronous_commit is below on in $OCF_RESKEY_config: commits are acknowledged that a lost primary takes with it" ;;
    esac
    [ "$(setting max_slot_wal_keep_size)" != -1 ] ||
        warn "max_slot_wal_keep_size = -1 in $OCF_RESKEY_config: a member that does not come back fills the disks of the others with WAL"
    return "$OCF_SUCCESS"
}

# What PostgreSQL would start with. Usage: setting NAME
setting() {
    runuser -u "$OCF_RESKEY_pgdba" -- "$bindir/postgres" -D "$pgdata" -c "config_file=$OCF_RESKEY_config" -C "$1" 2>&1 | tail -n 1
}

# Usage: refused NAME VALUE WHY
refused() {
    [ "$(setting "$1")" = "$2" ] || return 0
    fail "$1 = $2 in $OCF_RESKEY_config: $3"
    return 1
}

# In milliseconds. Usage: bounded NAME
bounded() {
    value=$(setting "$1")
    case $value in
    '' | *[!0-9]*)
        fail "$1: $value"
        return 1
        ;;
    esac
    [ "$value" -ge 1 ] && [ "$value" -le 5000 ] || {
        fail "$1 = $value ms in $OCF_RESKEY_config: a fast stop and a frozen standby would be waited for that long; at most 5000, and not 0"
        return 1
    }
}
