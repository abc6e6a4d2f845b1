# Pacemaker's surroundings; its cluster is described in cib.sh.

configure_pacemaker() {
    write /etc/default/pacemaker root:root 0644 <<'END'
PCMK_logfacility=none
PCMK_logfile=/var/log/pacemaker/pacemaker.log
END
    patch_promotion_score
    [ "$NODE_AGENT" != pgcm ] || install_agent
    [ "$NODE_FENCING" != playground ] || install -m 0755 "$docker/fence_playground" /usr/sbin/fence_playground

    # Pacemaker takes this file for the state of its last run; a signature beside it is not required.
    cluster_description | write /var/lib/pacemaker/cib/cib.xml hacluster:haclient 0600
}

# Debian 12's resource-agents 4.12 sets promotion scores with `crm_attribute -p -v -INFINITY`. Its
# pacemaker 2.1.5 wants the resource's name after -p and takes "-v" for it; the call ends with status 105,
# the agent repeats it for a day, and ocf:heartbeat:pgsql never starts. Later resource-agents give the name.
patch_promotion_score() {
    functions=/usr/lib/ocf/lib/heartbeat/ocf-shellfuncs
    sed -i 's|crm_attribute -p \$@|crm_attribute -p ${OCF_RESOURCE_INSTANCE} $@|' "$functions"
    grep -q 'crm_attribute -p ${OCF_RESOURCE_INSTANCE}' "$functions" ||
        fail "$functions has changed: does its ocf_promotion_score name the resource?"
}
