# etcd: one member on each Postgres node.

configure_etcd() {
    peers=
    for member in $CLUSTER_MEMBERS; do
        peers="$peers${peers:+,}${member%%=*}=http://${member#*=}:2380"
    done
    # The initial-* settings make the cluster at the first boot; etcd ignores them once it has data.
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
$(etcd_election)
ETCD_AUTO_COMPACTION_RETENTION=1h
ETCD_LOGGER=zap
ETCD_LOG_LEVEL=warn
END
    install -d -o etcd -g etcd -m 0700 /var/lib/etcd /var/lib/etcd/default
}

# A follower stands for election after one to two of these times. Hosts that share their processors with each other (and with a
# test's load) are late now and then without being gone. pgcm's agent waits for etcd before it promotes: etcd's own default there.
etcd_election() {
    [ "$NODE_AGENT" = stock ] && heartbeat=200 || heartbeat=100
    printf 'ETCD_HEARTBEAT_INTERVAL=%s\nETCD_ELECTION_TIMEOUT=%s\n' "$heartbeat" "$((heartbeat * 10))"
}
