# etcd: one member on each Postgres node.

configure_etcd() {
    peers=
    for member in $CLUSTER_MEMBERS; do
        peers="$peers${peers:+,}${member%%=*}=http://${member#*=}:2380"
    done
    # The initial-* settings make the cluster at the first boot; etcd ignores them once it has data.
    #
    # An election takes a second or two rather than a few hundred milliseconds: hosts that share their
    # processors with each other (and with a test's load) are late now and then without being gone.
    write /etc/default/etcd root:root 0644 <<END
ETCD_NAME=$NODE_NAME
ETCD_DATA_DIR=/var/lib/etcd/default
ETCD_LISTEN_CLIENT_URLS=http://0.0.0.0:2379
ETCD_ADVERTISE_CLIENT_URLS=http://$NODE_ADDRESS:2379
ETCD_LISTEN_PEER_URLS=http://$NODE_ADDRESS:2380
ETCD_INITIAL_ADVERTISE_PEER_URLS=http://$NODE_ADDRESS:2380
ETCD_INITIAL_CLUSTER=$peers
ETCD_INITIAL_CLUSTER_TOKEN=pgcm
ETCD_INITIAL_CLUSTER_STATE=new
ETCD_HEARTBEAT_INTERVAL=200
ETCD_ELECTION_TIMEOUT=2000
ETCD_AUTO_COMPACTION_RETENTION=1h
ETCD_LOGGER=zap
ETCD_LOG_LEVEL=warn
END
    install -d -o etcd -g etcd -m 0700 /var/lib/etcd /var/lib/etcd/default
}
