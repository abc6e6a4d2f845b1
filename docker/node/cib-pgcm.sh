# The same cluster with pgcm's own agent: docs/agent.md says why each of these is so.

pgcm_properties() {
    # A primary with its entitled standby in the minority may go on: nobody else can be promoted.
    nvpair cluster no-quorum-policy freeze
    # One failed start keeps the node out until failure-timeout is over. Tried again at once it would fail again, and as
    # Pacemaker promotes only after every start, nobody would be promoted meanwhile.
    nvpair cluster start-failure-is-fatal true
    # The controller that finds a node lost asks for the CIB while its own updates of it are under way. It then sleeps for a second
    # before it asks again, and does not when they are done by the time it asks.
    nvpair cluster transition-delay 25ms
}

postgresql_resource_of_pgcm() {
    cat <<END
      <clone id="msPostgresql">
        <meta_attributes id="msPostgresql-meta">
$(promotable_clone)
$(nvpair msPostgresql notify false)
$(nvpair msPostgresql interleave true)
        </meta_attributes>
        <primitive id="pgsql" class="ocf" provider="pgcm" type="postgresql">
          <instance_attributes id="pgsql-parameters">
$(nvpair pgsql node_list "$CLUSTER_MEMBERS")
$(nvpair pgsql etcd_endpoints "$(member_addresses | sed 's|.*|http://&:2379|' | joined ,)")
$(nvpair pgsql pgdata "$pg_data")
$(nvpair pgsql config "$pg_config_dir/postgresql.conf")
$(nvpair pgsql logfile /var/log/postgresql/postgresql-15-main.log)
$(nvpair pgsql repuser replicator)
$(nvpair pgsql rebuild yes)
          </instance_attributes>
          <meta_attributes id="pgsql-meta">
$(nvpair pgsql migration-threshold INFINITY)
$(nvpair pgsql failure-timeout 10s)
          </meta_attributes>
          <operations>
$(operation start on-fail=restart)
$(operation stop on-fail="$([ "$NODE_FENCING" = none ] && echo block || echo fence)")
$(operation promote on-fail=restart record-pending=false)
$(operation demote on-fail=restart record-pending=false)
$(operation monitor on-fail=restart record-pending=false interval=3s)
$(operation monitor on-fail=restart record-pending=false interval=2s role=Promoted)
          </operations>
        </primitive>
      </clone>
END
}

install_agent() {
    install -d /usr/lib/ocf/resource.d/pgcm /usr/lib/ocf/lib/pgcm /var/lib/pgcm
    install -m 0755 "$docker/../agent/postgresql" /usr/lib/ocf/resource.d/pgcm/postgresql
    install -m 0644 "$docker"/../agent/lib/*.sh /usr/lib/ocf/lib/pgcm/
}
