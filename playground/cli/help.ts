export const help = `Usage: npm run playground -- COMMAND [OPTIONS]

A whole PostgreSQL cluster (Corosync, Pacemaker, etcd, PgBouncer, pgcm) on this machine. Its hosts are
namespaces with disks and a network of their own; nothing of the machine changes.

Commands
  up                   make it, and wait until the cluster works: --nodes N (3) Postgres nodes pg01..,
                       --apps N (1) app hosts app01.., and client01
  down                 take it away: every process, mount, namespace and link; also one that \`up\` did not finish
  status               what is up and who is primary (--json for programs)
  exec NODE [CMD...]   run a command in a host, a shell without one; its exit status is handed on
  psql NODE [ARGS...]  psql as postgres on a node
  kill NODE            power loss: it falls silent at once, and ends none of its connections
  start NODE           boot it again with what its disk has (also after it was fenced)
  cut NODE             cut its network cable; a Postgres node is fenced (powered off) soon after
  heal NODE            join it again; one that was fenced stays off: then also \`start\`
  fencing ok|fail      'fail' makes the power switch refuse, so that no node can be fenced
  layer ensure         install the hosts' packages into the cache, if they are not there
  layer exec -- CMD    run a command over them in a throw-away root, without a network
  purge                down, and remove the cached packages too

Options
  --name NAME          which playground (main); several run side by side
  --nodes N, --apps N  how many hosts \`up\` makes, 9 of each at most
  --agent NAME         what runs PostgreSQL: pgcm, its own resource agent (the default), or stock, ocf:heartbeat:pgsql
  --timeout SECONDS    how long \`up\` waits for the cluster (180)
  --keep-on-failure    leave what \`up\` made when it fails; else it is taken down
  --json               for status
  --help

Environment
  PGCM_PLAYGROUND_CACHE  folder for the packages (/var/cache/pgcm-playground); a local disk, about 1 GB
  PGCM_PLAYGROUND_DIR    folder for sockets and logs (/run/pgcm-playground)

Exit status: 0 done, 1 it did not work (\`up\` of a playground that is up already; \`status\`, or any
command, when there is none), 2 wrong usage; for exec and psql the command's own.
`;
