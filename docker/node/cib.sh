# The cluster as Pacemaker finds it at its first start, the same on every node.

cluster_description() {
    cat <<END
<cib admin_epoch="0" epoch="1" num_updates="0" validate-with="pacemaker-3.9">
  <configuration>
    <crm_config>
      <cluster_property_set id="cluster">
$(properties)
      </cluster_property_set>
    </crm_config>
    <nodes>
$(nodes)
    </nodes>
    <resources>
$([ "$NODE_FENCING" = none ] || fencing_device)
$(postgresql_resource_of_"$NODE_AGENT")
    </resources>
    <constraints/>
    <rsc_defaults>
      <meta_attributes id="resource-defaults">
$(nvpair resource-defaults resource-stickiness INFINITY)
$([ "$NODE_AGENT" != stock ] || nvpair resource-defaults migration-threshold 1)
      </meta_attributes>
    </rsc_defaults>
  </configuration>
  <status/>
</cib>
END
}

# Usage: nvpair ID-PREFIX NAME VALUE
nvpair() {
    printf '        <nvpair id="%s-%s" name="%s" value="%s"/>\n' "$1" "$2" "$2" "$3"
}

properties() {
    nvpair cluster cluster-name pgcm
    # How long a starting node looks for a running cluster before it calls an election: 20 s by default.
    # start-pacemaker has done that waiting.
    nvpair cluster dc-deadtime 1s
    # Hosts that share two processors always look overloaded to Pacemaker, which then runs actions one by
    # one: a move of the primary takes 3.9 s in place of 2.7.
    nvpair cluster load-threshold '800%'
    nvpair cluster batch-limit 30
    nvpair cluster node-action-limit 16
    # Without quorum a primary stops: it could not keep its synchronous standby anyway.
    if [ "$NODE_AGENT" = stock ]; then nvpair cluster no-quorum-policy stop; else pgcm_properties; fi
    if [ "$NODE_FENCING" = none ]; then
        nvpair cluster stonith-enabled false
    else
        nvpair cluster stonith-enabled true
        nvpair cluster stonith-action off
    fi
}

# Who may be promoted first, for the stock agent: without these two values every node would have the right, and the agent
# would compare positions first.
nodes() {
    id=0
    for name in $(member_names); do
        id=$((id + 1))
        if [ "$NODE_AGENT" != stock ]; then
            printf '      <node id="%s" uname="%s"/>\n' "$id" "$name"
            continue
        fi
        [ "$id" -eq 1 ] && status=LATEST || status=DISCONNECT
        printf '      <node id="%s" uname="%s"><instance_attributes id="node-%s">\n' "$id" "$name" "$id"
        nvpair "node-$id" pgsql-data-status "$status"
        printf '      </instance_attributes></node>\n'
    done
}

# One device for all outlets; any node may use it against any other. With two nodes both sides of a cut
# have quorum and would switch each other off at the same moment: the first node has 2 s to be quicker.
fencing_device() {
    cat <<END
      <primitive id="fencing" class="stonith" type="fence_playground">
        <instance_attributes id="fencing-parameters">
$(nvpair fencing power_socket "$POWER_SOCKET")
$(nvpair fencing pcmk_host_check static-list)
$(nvpair fencing pcmk_host_list "$(member_names | joined ' ')")
$([ "$(member_count)" -ne 2 ] || nvpair fencing pcmk_delay_base "$(member_names | head -n 1):2s")
        </instance_attributes>
        <operations>
          <op id="fencing-monitor" name="monitor" interval="60s" timeout="20s"/>
        </operations>
      </primitive>
END
}

# One member of it on each node, and one of them promoted, whatever the agent.
promotable_clone() {
    nvpair msPostgresql promotable true
    nvpair msPostgresql promoted-max 1
    nvpair msPostgresql promoted-node-max 1
    nvpair msPostgresql clone-max "$(member_count)"
    nvpair msPostgresql clone-node-max 1
}

# ocf:heartbeat:pgsql as its own documentation sets it up, but without a floating address: every standby
# knows all nodes, and libpq finds the one that takes writes. xlog_check_count is how many monitors more
# (4 s each, 3 by default) must find all positions unchanged before a cluster without a primary gets one;
# pgsql-data-status has ruled out by then whoever was not primary or synchronous.
postgresql_resource_of_stock() {
    cat <<END
      <clone id="msPostgresql">
        <meta_attributes id="msPostgresql-meta">
$(promotable_clone)
$(nvpair msPostgresql notify true)
        </meta_attributes>
        <primitive id="pgsql" class="ocf" provider="heartbeat" type="pgsql">
          <instance_attributes id="pgsql-parameters">
$(nvpair pgsql pgctl /usr/lib/postgresql/15/bin/pg_ctl)
$(nvpair pgsql psql /usr/lib/postgresql/15/bin/psql)
$(nvpair pgsql pgdata "$pg_data")
$(nvpair pgsql config "$pg_config_dir/postgresql.conf")
$(nvpair pgsql socketdir /var/run/postgresql)
$(nvpair pgsql logfile /var/log/postgresql/postgresql-15-main.log)
$(nvpair pgsql tmpdir "$pg_agent_dir")
$(nvpair pgsql rep_mode sync)
$(nvpair pgsql node_list "$(member_names | joined ' ')")
$(nvpair pgsql master_ip "$(member_addresses | joined ,)")
$(nvpair pgsql repuser replicator)
$(nvpair pgsql primary_conninfo_opt "target_session_attrs=read-write connect_timeout=2")
$(nvpair pgsql restart_on_promote false)
$(nvpair pgsql xlog_check_count 1)
          </instance_attributes>
          <operations>
$(operation start on-fail=restart)
$(operation stop on-fail="$([ "$NODE_FENCING" = none ] && echo block || echo fence)")
$(operation promote on-fail=restart)
$(operation demote on-fail=stop)
$(operation notify)
$(operation monitor on-fail=restart interval=4s)
$(operation monitor on-fail=restart interval=3s role=Promoted)
          </operations>
        </primitive>
      </clone>
END
}

# Usage: operation NAME [ATTRIBUTE=VALUE...]; interval defaults to 0s, timeout to 60s
operation() {
    name=$1 interval=0s attributes=
    shift
    for attribute in "$@"; do
        case $attribute in
        interval=*) interval=${attribute#*=} ;;
        *) attributes="$attributes ${attribute%%=*}=\"${attribute#*=}\"" ;;
        esac
    done
    printf '            <op id="pgsql-%s-%s" name="%s" interval="%s" timeout="60s"%s/>\n' \
        "$name" "$interval" "$name" "$interval" "$attributes"
}
