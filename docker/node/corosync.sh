# Corosync: membership and quorum.

configure_corosync() {
    {
        cat <<END
totem {
    version: 2
    cluster_name: pgcm
    transport: knet
    # The network is the cluster's own; a site that shares it sets crypto_cipher, crypto_hash and an authkey.
    crypto_cipher: none
    crypto_hash: none
    # Milliseconds without the token until a node counts as lost; three nodes add 650 by token_coefficient.
    token: 1000
$([ "$NODE_AGENT" = stock ] || echo '    token_coefficient: 0')
}
quorum {
    provider: corosync_votequorum
$(quorum_of "$(member_count)")
}
logging {
    to_stderr: no
    to_syslog: no
    to_logfile: yes
    logfile: /var/log/corosync/corosync.log
    timestamp: hires
}
nodelist {
END
        id=0
        for member in $CLUSTER_MEMBERS; do
            id=$((id + 1))
            printf '    node {\n        nodeid: %s\n        name: %s\n        ring0_addr: %s\n    }\n' \
                "$id" "${member%%=*}" "${member#*=}"
        done
        echo '}'
    } | write /etc/corosync/corosync.conf root:root 0644
}

# Two nodes: either goes on without the other, so at a start both must be seen once (it implies wait_for_all).
quorum_of() {
    [ "$1" -ne 2 ] || echo '    two_node: 1'
}
