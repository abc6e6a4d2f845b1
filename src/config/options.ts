import { commandNames, type CommandName } from './command-names.js';
import {
  boolean,
  choice,
  duration,
  integer,
  list,
  path,
  port,
  secret,
  size,
  text,
  type Kind,
} from './kinds.js';
import { bindAddress, etcdEndpoint, hostPort, httpAddress, memberAddress } from './network-kinds.js';
import { outputBlocks } from './output-blocks.js';

/** One option. Its flag, its variable, its TOML key, its help and its place in the README all come from this. */
export interface Option<T, C extends CommandName = CommandName> {
  readonly kind: Kind<T>;
  readonly default: T;
  /** The option whose value this one takes unless it is set itself (or the other is 0). */
  readonly follows?: string;
  readonly commands: readonly C[];
  /** For the operator. Of a timeout it says what clients notice of it. */
  readonly explain: string;
  /** PEM blocks that the file must have: checked at the start of a command that uses it. */
  readonly pem?: 'certificate' | 'private key';
  /** A file whose first line is the value of this (secret) option. */
  readonly secretFor?: string;
  /** It is accepted and has no effect: why. */
  readonly obsolete?: string;
  /** It has neither a flag nor a variable. */
  readonly onlyInFile?: true;
}

function option<T, const C extends CommandName>(declaration: {
  readonly kind: Kind<T>;
  readonly default: NoInfer<T>;
  readonly follows?: string;
  readonly commands: readonly C[];
  readonly explain: string;
  readonly pem?: 'certificate' | 'private key';
  readonly secretFor?: string;
  readonly obsolete?: string;
  readonly onlyInFile?: true;
}): Option<T, C> {
  return declaration;
}

const everywhere = commandNames;
const daemons = ['supervise', 'proxy'] as const;
const api = ['supervise', 'failover', 'cleanup', 'status'] as const;
/** Those that ask every node's API. */
const askers = ['failover', 'cleanup', 'status'] as const;

/** Every option of every command, in the order in which help and tables show them. */
export const options = {
  'config-file': option({
    kind: path('allowed'),
    default: '',
    commands: everywhere,
    explain:
      'A TOML file with options, by the names they have here. It may hold the options of all commands. ' +
      'Flags and environment variables win over it.',
  }),
  'log-format': option({
    kind: choice('auto', 'logfmt', 'json'),
    default: 'auto',
    commands: everywhere,
    explain: 'How log lines on stderr look. auto is logfmt on a terminal and JSON otherwise.',
  }),

  'etcd-namespace': option({
    kind: text({ empty: 'allowed' }),
    default: '',
    commands: everywhere,
    explain:
      'Put before every key in etcd, as it stands, so that several clusters can share one etcd. ' +
      'It must be the same for all commands of a cluster.',
  }),
  'etcd-endpoints': option({
    kind: list(etcdEndpoint(), { distinct: true }),
    default: ['http://127.0.0.1:2379'],
    commands: everywhere,
    explain: 'The etcd members to talk to.',
  }),
  'etcd-timeout': option({
    kind: duration(),
    default: 3_000,
    commands: everywhere,
    explain:
      'How long one request to etcd may take. Clients notice nothing of a request that fails in a daemon: it is ' +
      'repeated. A failover whose request fails is undone, and clients go on where they were.',
  }),
  'etcd-dial-timeout': option({
    kind: duration(),
    default: 3_000,
    commands: everywhere,
    explain:
      'How long connecting to an etcd member may take before the next one is tried. While no member answers, ' +
      'clients stay with the primary they have.',
  }),
  'etcd-keep-alive-time': option({
    kind: duration(),
    default: 30_000,
    commands: everywhere,
    explain:
      'After this long without traffic, the connection to etcd is checked. With etcd-keep-alive-timeout it bounds ' +
      'how long a silent etcd member can keep the news of a new primary from a bouncer, and so its clients waiting ' +
      'or in error. etcd closes connections that are checked more often than its own ' +
      '--grpc-keepalive-min-time (5s) allows.',
  }),
  'etcd-keep-alive-timeout': option({
    kind: duration(),
    default: 5_000,
    commands: everywhere,
    explain:
      'How long such a check may take before the connection counts as dead and another member is tried. ' +
      'Clients notice it as etcd-keep-alive-time says.',
  }),
  'etcd-postgres-master-key': option({
    kind: text({ empty: 'refused' }, 'KEY'),
    default: '/master',
    commands: everywhere,
    explain:
      "The key in etcd whose value is the primary's bare IP address. The failover lock lives under it.",
  }),
  'etcd-tls-ca': option({
    kind: path('allowed'),
    default: '',
    commands: everywhere,
    pem: 'certificate',
    explain: "The CA that signed the etcd members' certificates, in PEM. Endpoints must be https://.",
  }),
  'etcd-tls-cert': option({
    kind: path('allowed'),
    default: '',
    commands: everywhere,
    pem: 'certificate',
    explain: 'The certificate to show to etcd, in PEM; needs etcd-tls-key.',
  }),
  'etcd-tls-key': option({
    kind: path('allowed'),
    default: '',
    commands: everywhere,
    pem: 'private key',
    explain: 'The private key of etcd-tls-cert, in PEM.',
  }),
  'etcd-user': option({
    kind: text({ empty: 'allowed' }),
    default: '',
    commands: everywhere,
    explain: 'The etcd user, where etcd asks for one; needs a password.',
  }),
  'etcd-password': option({
    kind: secret(),
    default: '',
    commands: everywhere,
    explain:
      'The password of etcd-user. As a flag, every user of this machine can read it: use the file instead.',
  }),
  'etcd-password-file': option({
    kind: path('allowed'),
    default: '',
    commands: everywhere,
    secretFor: 'etcd-password',
    explain: 'A file whose first line is the password of etcd-user.',
  }),

  'pgbouncer-user': option({
    kind: text({ empty: 'refused' }),
    default: 'pgbouncer',
    commands: daemons,
    explain: "Who connects to PgBouncer's admin console: one of its admin_users.",
  }),
  'pgbouncer-password': option({
    kind: secret(),
    default: '',
    commands: daemons,
    explain: 'The password of pgbouncer-user. As a flag, every user of this machine can read it.',
  }),
  'pgbouncer-password-file': option({
    kind: path('allowed'),
    default: '',
    commands: daemons,
    secretFor: 'pgbouncer-password',
    explain: 'A file whose first line is the password of pgbouncer-user.',
  }),
  'pgbouncer-database': option({
    kind: text({ empty: 'refused' }),
    default: 'pgbouncer',
    commands: daemons,
    explain: "The name of PgBouncer's admin console.",
  }),
  'pgbouncer-socket-dir': option({
    kind: list(path('refused')),
    default: ['/var/run/postgresql'],
    commands: daemons,
    explain:
      "PgBouncer's unix_socket_dir. With several PgBouncers: one folder for all ports, or one for each, in order.",
  }),
  'pgbouncer-port': option({
    kind: list(port()),
    default: [6432],
    commands: daemons,
    explain:
      "PgBouncer's listen_port, which its socket is named after. Several ports are several PgBouncers.",
  }),
  'pgbouncer-config-file': option({
    kind: path('refused'),
    default: '/etc/pgbouncer/pgbouncer.ini',
    commands: ['proxy'],
    explain: "PgBouncer's configuration, written by pgcm from the template.",
  }),
  'pgbouncer-config-template-file': option({
    kind: path('refused'),
    default: '/etc/pgbouncer/pgbouncer.ini.template',
    commands: ['proxy'],
    explain: "The template of that file. {{.Host}}, {{Host}} and {{host}} become the primary's address.",
  }),
  'max-replica-lag': option({
    kind: size(),
    default: 16 * 1_024 ** 2,
    commands: [...daemons, 'show-uri'],
    explain:
      'The most WAL that a standby may have left to flush to be one of the Replicas of templates. One that had more ' +
      'is back among them with half of it. Published figures are 0 below 1 MB, else rounded up to a power of two. /replica ' +
      "of supervise's http-address takes as much for what is left to replay, unless it is asked with ?lag=.",
  }),
  'replica-fallback': option({
    kind: choice('none', 'primary'),
    default: 'none',
    commands: ['proxy', 'show-uri'],
    explain:
      'Where the Replicas of templates lead while no standby is healthy: to none, and the template says what ' +
      'happens then, or to the primary.',
  }),
  'pgbouncer-timeout': option({
    kind: duration(),
    default: 5_000,
    commands: daemons,
    explain:
      'How long one command on the admin console may take (PAUSE has its own, pause-timeout). Of a RELOAD ' +
      'that fails clients notice that they stay on the old primary until it is repeated; of a RESUME that fails, ' +
      'that they wait longer.',
  }),
  'pgbouncer-retry-interval': option({
    kind: duration(),
    default: 5_000,
    commands: ['proxy'],
    explain:
      'The longest delay before a route that could not be applied is tried again; the first retries come ' +
      "sooner. So much longer this bouncer's clients may be without the new primary once its trouble is over.",
  }),
  'etcd-stream-poll-interval': option({
    kind: duration(),
    default: 60_000,
    commands: ['proxy'],
    explain:
      'How often the key is read although it is watched. If a watch went silent, clients would miss a new ' +
      'primary for that long at most.',
  }),
  'etcd-get-timeout': option({
    kind: duration(),
    default: 5_000,
    commands: ['proxy'],
    explain: 'How long such a read may take. While it fails, clients keep the last known primary.',
  }),

  'bind-address': option({
    kind: bindAddress(),
    default: ':8080',
    commands: ['supervise'],
    explain:
      'Where the failover API listens. Whoever reaches it can pause clients and move the primary: use api-tls-*.',
  }),
  'api-tls-ca': option({
    kind: path('allowed'),
    default: '',
    commands: api,
    pem: 'certificate',
    explain: 'The CA that both sides of the failover API require of each other, in PEM; needs the next two.',
  }),
  'api-tls-cert': option({
    kind: path('allowed'),
    default: '',
    commands: api,
    pem: 'certificate',
    explain: 'The certificate that this side of the failover API shows, in PEM.',
  }),
  'api-tls-key': option({
    kind: path('allowed'),
    default: '',
    commands: api,
    pem: 'private key',
    explain: 'The private key of api-tls-cert, in PEM.',
  }),
  'http-address': option({
    kind: httpAddress(),
    default: '127.0.0.1',
    commands: daemons,
    explain:
      'Where health checks and metrics are answered over HTTP, to whoever asks; off: nowhere. Without a port ' +
      'supervise takes 8632 and proxy 8633, so that one file can serve both.',
  }),
  'pacemaker-resource': option({
    kind: text({ empty: 'refused' }),
    default: 'msPostgresql',
    commands: ['supervise', 'adopt', 'cluster-config'],
    explain: "Pacemaker's promotable resource that is PostgreSQL.",
  }),
  'postgres-master-crm-xpath': option({
    kind: text({ empty: 'allowed' }),
    default: "//node/instance_attributes/nvpair[@value='LATEST']/../..",
    commands: ['supervise'],
    obsolete: 'the primary is read from the roles of pacemaker-resource',
    explain:
      'Accepted so that existing files go on working, and without effect: the primary is read from the roles ' +
      'of pacemaker-resource.',
  }),
  'host-key-update-retry-interval': option({
    kind: duration(),
    default: 1_000,
    commands: ['supervise'],
    explain:
      "The longest delay before publishing the primary's address is tried again. So much longer clients may " +
      'be without a new primary once etcd is back.',
  }),
  'pacemaker-poll-interval': option({
    kind: duration(),
    default: 1_000,
    commands: ['supervise'],
    explain: 'How often Pacemaker is asked who is primary. So late clients may learn of a new one.',
  }),
  'pacemaker-get-timeout': option({
    kind: duration(),
    default: 500,
    commands: ['supervise', 'adopt'],
    explain:
      'How long one look at Pacemaker may take. While looks fail nothing is published, and clients keep the ' +
      'last known primary.',
  }),
  'postgres-socket-dir': option({
    kind: path('refused'),
    default: '/var/run/postgresql',
    commands: ['supervise', 'adopt', 'cluster-config'],
    explain: "This node's PostgreSQL: the folder of its socket, or a host.",
  }),
  'postgres-port': option({
    kind: port(),
    default: 5432,
    commands: ['supervise', 'adopt', 'cluster-config'],
    explain: "This node's PostgreSQL: its port.",
  }),
  'postgres-user': option({
    kind: text({ empty: 'refused' }),
    default: 'pgcm',
    commands: ['supervise', 'adopt'],
    explain: "This node's PostgreSQL: who connects to see whether it takes writes.",
  }),
  'postgres-database': option({
    kind: text({ empty: 'refused' }),
    default: 'postgres',
    commands: ['supervise', 'adopt'],
    explain: "This node's PostgreSQL: the database to connect to.",
  }),
  'postgres-password': option({
    kind: secret(),
    default: '',
    commands: ['supervise', 'adopt'],
    explain: 'The password of postgres-user. As a flag, every user of this machine can read it.',
  }),
  'postgres-password-file': option({
    kind: path('allowed'),
    default: '',
    commands: ['supervise', 'adopt'],
    secretFor: 'postgres-password',
    explain: 'A file whose first line is the password of postgres-user.',
  }),
  'postgres-timeout': option({
    kind: duration(),
    default: 2_000,
    commands: ['supervise', 'adopt'],
    explain:
      "How long one question to this node's PostgreSQL may take. In a failover clients wait until the new " +
      'primary has answered that it takes writes.',
  }),

  'replication-user': option({
    kind: text({ empty: 'refused' }),
    default: 'postgres',
    commands: ['supervise'],
    explain:
      "With pgcm's own resource agent: who connects to this node's PostgreSQL, in the database postgres, to keep " +
      'synchronous_standby_names in step with who may be promoted. docs/install.md tells what rights it needs.',
  }),
  'replication-password': option({
    kind: secret(),
    default: '',
    commands: ['supervise'],
    explain: 'The password of replication-user. As a flag, every user of this machine can read it.',
  }),
  'replication-password-file': option({
    kind: path('allowed'),
    default: '',
    commands: ['supervise'],
    secretFor: 'replication-password',
    explain: 'A file whose first line is the password of replication-user.',
  }),
  'sync-standbys': option({
    kind: integer(1, 8),
    default: 1,
    commands: ['supervise'],
    explain:
      "With pgcm's own resource agent: how many standbys commits wait for, as long as there are so many. Each of them " +
      'has every acknowledged commit, and so may be promoted. When one goes, the next best takes its place.',
  }),
  'sync-mode': option({
    kind: choice('async', 'strict'),
    default: 'async',
    commands: ['supervise', 'cluster-config'],
    explain:
      "With pgcm's own resource agent: what happens when the last of these standbys is gone. async: once etcd has it " +
      'that only the primary may be promoted, it goes on alone. strict: clients wait until a standby is back.',
  }),

  'postgres-data-dir': option({
    kind: path('allowed'),
    default: '',
    commands: ['supervise', 'adopt', 'cluster-config'],
    explain:
      "This node's PostgreSQL: its data directory, whose control file is read before an old primary may rejoin. " +
      'Unless set, what PostgreSQL said while it ran, else what the cluster manager knows.',
  }),
  'postgres-bin-dir': option({
    kind: path('allowed'),
    default: '',
    commands: ['supervise', 'adopt', 'cluster-config'],
    explain:
      "This node's PostgreSQL: the folder of pg_controldata. Unless set, /usr/lib/postgresql/VERSION/bin.",
  }),

  'agent-state-dir': option({
    kind: path('refused'),
    default: '/var/lib/pgcm',
    commands: ['supervise', 'adopt', 'cluster-config'],
    explain:
      "Where pgcm's own resource agent keeps what this node has seen of the record of who may be promoted: its parameter " +
      'statedir.',
  }),
  node: option({
    kind: text({ empty: 'allowed' }, 'NODE'),
    default: '',
    commands: ['adopt'],
    explain: 'The node that shall be the only one that may be promoted: this one. Given as the argument.',
  }),

  'cluster-tool': option({
    kind: choice('crm', 'pcs'),
    default: 'crm',
    commands: ['cluster-config'],
    explain: "Which tool the configuration is for: crmsh's crm, or pcs. Given as the argument.",
  }),
  'cluster-members': option({
    kind: list(memberAddress(), { distinct: true, empty: 'allowed' }),
    default: [],
    commands: ['cluster-config'],
    explain:
      'All members, as NAME=ADDRESS: the names that Pacemaker has for the nodes, and the IP addresses where their ' +
      'PostgreSQL listens.',
  }),
  'postgres-config-file': option({
    kind: path('allowed'),
    default: '',
    commands: ['cluster-config'],
    explain:
      'postgresql.conf, outside the data directory: a rewind and a rebuild bring the data directory of another node along.',
  }),
  'postgres-log-file': option({
    kind: path('allowed'),
    default: '',
    commands: ['cluster-config'],
    explain:
      'Where the output of PostgreSQL goes. Unless set, where the agent puts it: /var/log/postgresql/postgresql.log.',
  }),
  'standby-user': option({
    kind: text({ empty: 'refused' }),
    default: 'replicator',
    commands: ['cluster-config'],
    explain:
      'The role that standbys connect to the primary with, for pg_rewind as well. docs/install.md tells what rights it needs.',
  }),
  'standby-conninfo': option({
    kind: text({ empty: 'allowed' }),
    default: '',
    commands: ['cluster-config'],
    explain:
      'What else standbys need to connect, as libpq reads it: sslmode=verify-full passfile=/var/lib/postgresql/.pgpass. ' +
      'A password belongs into that file: everybody who may read the configuration of Pacemaker would see it here.',
  }),
  'agent-etcd-user-file': option({
    kind: path('allowed'),
    default: '',
    commands: ['cluster-config'],
    explain:
      "A file, readable by root alone, whose first line is USER:PASSWORD: how pgcm's own resource agent logs in to etcd, where " +
      'etcd asks for a user.',
  }),
  'agent-rebuild': option({
    kind: boolean(),
    default: false,
    commands: ['cluster-config'],
    explain:
      'Lets the agent empty the data directory of a member that cannot be rewound, and copy the one of the primary. Unless ' +
      'set, such a member does not start, and says with which command to rebuild it. A copy has to be done within ' +
      'agent-start-timeout.',
  }),
  'agent-start-timeout': option({
    kind: duration(),
    default: 120_000,
    commands: ['cluster-config'],
    explain:
      'How long the start of a member may take, a rewind or a rebuild included, before Pacemaker takes it for failed. Clients ' +
      'notice nothing of it while there is a primary; without one, nobody is promoted before every start has ended.',
  }),
  'no-fencing': option({
    kind: boolean(),
    default: false,
    commands: ['cluster-config'],
    explain:
      'For a cluster without fencing: a member that does not stop blocks the resource until somebody looks, in place of ' +
      'being fenced. stonith-enabled is left to the site in any case.',
  }),

  'proxy-id': option({
    kind: text({ empty: 'allowed' }),
    default: '',
    commands: ['proxy'],
    explain:
      'The name under which this proxy registers in etcd, the same over restarts and different from all others. ' +
      "Unless set, the host's name.",
  }),
  'proxy-socket': option({
    kind: path('refused'),
    default: '/run/pgcm/proxy.sock',
    commands: daemons,
    explain:
      'The unix socket through which the supervise of a Postgres node asks the proxy beside it to pause and resume: ' +
      'the proxy is the one owner of its PgBouncers.',
  }),
  'probe-user': option({
    kind: text({ empty: 'allowed' }),
    default: '',
    commands: ['proxy'],
    explain:
      'Who connects to the primary to see whether it takes writes. Unless set, a login is only begun: a primary that ' +
      'takes no writes any more is not noticed, and when a failover command died in the middle, clients wait until ' +
      'its pause-expiry is over.',
  }),
  'probe-database': option({
    kind: text({ empty: 'refused' }),
    default: 'postgres',
    commands: ['proxy'],
    explain: 'The database that probe-user connects to.',
  }),
  'probe-port': option({
    kind: port(),
    default: 5432,
    commands: ['proxy'],
    explain: "The primary's port for probe-user.",
  }),
  'probe-password': option({
    kind: secret(),
    default: '',
    commands: ['proxy'],
    explain: 'The password of probe-user. As a flag, every user of this machine can read it.',
  }),
  'probe-password-file': option({
    kind: path('allowed'),
    default: '',
    commands: ['proxy'],
    secretFor: 'probe-password',
    explain: 'A file whose first line is the password of probe-user.',
  }),

  'probe-interval': option({
    kind: duration(),
    default: 1_000,
    commands: ['proxy'],
    explain:
      'How often the primary is asked whether clients can use it: a login that is not completed, with probe-user a ' +
      'transaction that writes nothing. So late at most clients are held when its host falls silent. News of trouble ' +
      'are looked into at once.',
  }),
  'probe-keep-connection': option({
    kind: boolean(),
    default: true,
    commands: ['proxy'],
    explain:
      'Whether the connection of probe-user is kept from one probe to the next: a primary that dies is noticed at ' +
      'once, before clients meet a second error. Each proxy then takes one connection of max_connections.',
  }),
  'hold-timeout': option({
    kind: duration('allowed'),
    default: 30_000,
    commands: ['proxy'],
    explain:
      'How long clients wait, in place of meeting errors, when the primary is lost: until a new one is published, ' +
      'or this one takes writes again. After it they run, and get the errors of PgBouncer. 0: they are never held.',
  }),
  'destroy-sockets': option({
    kind: boolean(),
    default: true,
    commands: ['proxy'],
    explain:
      'Whether what hangs on a primary that is silent for a second probe, too, or is open on the old one after a new ' +
      "route that no switchover led to, is ended at once, by destroying all of this host's connections to its probe-port " +
      '(ss --kill, which needs the capability CAP_NET_ADMIN). Without it, or where PgBouncer uses another port, hanging ' +
      "statements end by the tcp_* settings of the template, after 3 s with those of pgcm's own.",
  }),

  'failover-api-endpoints': option({
    kind: list(hostPort(), { distinct: true }),
    default: ['pg01:8080', 'pg02:8080', 'pg03:8080'],
    commands: askers,
    explain:
      'The failover APIs of all Postgres nodes. The failover checks and asks only these, and the clients of a ' +
      'node that is missing here, and has no proxy, are not paused.',
  }),
  'health-check-timeout': option({
    kind: duration(),
    default: 2_000,
    commands: ['failover', 'status'],
    explain:
      'How long the check of each node may take, and for `status` its answer. Clients notice nothing of it: it ' +
      'comes before the pause.',
  }),
  'lock-timeout': option({
    kind: duration(),
    default: 5_000,
    commands: ['failover', 'cleanup'],
    explain:
      'How long to wait while another failover holds the lock. Clients notice nothing of it: it comes before the pause.',
  }),
  'pause-timeout': option({
    kind: duration(),
    default: 5_000,
    commands: ['failover'],
    explain:
      'How long PgBouncer may wait for open transactions to end. Meanwhile new statements wait, so this is what ' +
      'the oldest transaction can cost all other clients. When it is over, the failover gives up and everybody goes ' +
      'on where they were.',
  }),
  'pause-expiry': option({
    kind: duration('allowed'),
    default: 25_000,
    commands: ['failover'],
    explain:
      'After this long a pause is lifted whatever happened, also when the failover command died: the longest a ' +
      "client waits. It must be shorter than the clients' own timeouts and PgBouncer's query_wait_timeout (120s), " +
      'or they see errors. If the new primary is not there by then, their statements fail. 0 means never, and is ' +
      'refused without allow-endless-pause.',
  }),
  'allow-endless-pause': option({
    kind: boolean(),
    default: false,
    commands: ['failover'],
    explain:
      'Lets pause-expiry be 0. If the failover command dies then, clients wait until somebody resumes every ' +
      'PgBouncer by hand.',
  }),
  'promote-timeout': option({
    kind: duration(),
    default: 25_000,
    follows: 'pause-expiry',
    commands: ['failover'],
    explain:
      'How long the standby may take to become primary and take writes, while clients wait. When it is over ' +
      'the move is taken back, clients are let go, and the command says what it found.',
  }),
  'checkpoint-timeout': option({
    kind: duration(),
    default: 60_000,
    commands: ['failover'],
    explain:
      'How long the two checkpoints on the old primary may take, which make its shutdown short. Clients run ' +
      'meanwhile. When it is over the failover goes on without: clients may wait longer.',
  }),
  'no-checkpoint': option({
    kind: boolean(),
    default: false,
    commands: ['failover'],
    explain:
      'Leaves out the checkpoints. The shutdown of the old primary then writes all dirty pages while clients wait.',
  }),
  'rejoin-timeout': option({
    kind: duration(),
    default: 60_000,
    commands: ['failover'],
    explain:
      'How long the old primary may take to be a streaming standby again. Clients run on the new one meanwhile.',
  }),
  'no-rejoin': option({
    kind: boolean(),
    default: false,
    commands: ['failover'],
    explain: 'Leaves the old primary as the cluster manager leaves it.',
  }),
  to: option({
    kind: text({ empty: 'allowed' }, 'NODE'),
    default: '',
    commands: ['failover'],
    explain:
      'The node to move the primary to, by its name in the cluster manager. Unless set, the synchronous standby. ' +
      'Only a node that has every acknowledged commit is accepted.',
  }),
  'dry-run': option({
    kind: boolean(),
    default: false,
    commands: ['failover', 'adopt'],
    explain:
      'Checks everything, prints what would be done, in order, and how long clients would wait. Touches nothing. ' +
      'Exit status 3 when the failover would be refused.',
  }),
  force: option({
    kind: boolean(),
    default: false,
    commands: ['failover'],
    explain:
      'Goes on in spite of findings that risk only that clients wait or see errors. What risks data or two ' +
      'primaries is refused all the same. The first failover of a cluster needs it, as no earlier one tells how ' +
      'long clients will wait.',
  }),
  'terminate-blockers': option({
    kind: duration('allowed'),
    default: 0,
    commands: ['failover'],
    explain:
      'Ends transactions on the primary that are open for longer than this, after naming them, before the pause ' +
      'waits for them: their clients see an error. 0: none.',
  }),
  'max-lag': option({
    kind: size(),
    default: 16 * 1_024 ** 2,
    commands: ['failover'],
    explain:
      'The most WAL that the target may have left to flush. Clients wait until it has caught up, so more is refused.',
  }),
  json: option({
    kind: boolean(),
    default: false,
    commands: ['failover', 'status', 'history'],
    explain:
      'Prints one JSON document on stdout in place of text for people: the report of the failover, the status, ' +
      'the history. docs/records.md tells what is in them.',
  }),
  'forget-proxy': option({
    kind: text({ empty: 'allowed' }, 'ID'),
    default: '',
    commands: ['cleanup'],
    explain:
      'The id of a proxy that is gone for good: the checks of a failover name it no more. One that is registered ' +
      'now is not forgotten.',
  }),
  role: option({
    kind: choice('primary', 'replica'),
    default: 'primary',
    commands: ['show-uri'],
    explain:
      'Where the connections of the URI shall lead: to the primary (target_session_attrs=read-write), or to a standby ' +
      '(standby; prefer-standby with replica-fallback = primary).',
  }),
  'uri-user': option({
    kind: text({ empty: 'allowed' }),
    default: '',
    commands: ['show-uri'],
    explain: 'The user in the URI. Unless set, there is none, and the client has its own.',
  }),
  'uri-dbname': option({
    kind: text({ empty: 'allowed' }),
    default: '',
    commands: ['show-uri'],
    explain: 'The database in the URI. Unless set, there is none, and the client has its own.',
  }),
  'uri-port': option({
    kind: port(),
    default: 5432,
    commands: ['show-uri'],
    explain: "The members' port in the URI.",
  }),
  'resume-timeout': option({
    kind: duration(),
    default: 5_000,
    commands: ['failover', 'cleanup'],
    explain:
      'How long each PgBouncer may take to lead to the new primary and let its clients go on. Those of one that ' +
      'takes longer wait until pause-expiry.',
  }),
  'pacemaker-timeout': option({
    kind: duration(),
    default: 20_000,
    commands: ['failover', 'cleanup'],
    explain:
      'How long Pacemaker may take to accept a command, not to carry it out. Clients wait meanwhile, as they are ' +
      'paused by then.',
  }),
  // The last: in TOML everything that stands behind a block belongs to it.
  output: option({
    kind: outputBlocks(),
    default: [],
    commands: ['proxy'],
    onlyInFile: true,
    explain:
      'Files of other programs that follow the primary, too, each a block of the TOML file with a template, a file, a ' +
      'command that checks it and one that reloads the program: HAProxy, for instance. docs/outputs.md tells of their keys.',
  }),
} as const;

export type OptionName = keyof typeof options;

type ValueOf<O> = O extends Option<infer T> ? T : never;
type CommandsOf<O> = O extends { readonly commands: readonly (infer C)[] } ? C : never;

/** The value of every option: durations in milliseconds, "not set" is the empty text. */
export type Config = { readonly [K in OptionName]: ValueOf<(typeof options)[K]> };

/** What a command may read: the options that say that it uses them. */
export type ConfigOf<C extends CommandName> = Pick<
  Config,
  { [K in OptionName]: C extends CommandsOf<(typeof options)[K]> ? K : never }[OptionName]
>;

export const optionNames = Object.keys(options) as readonly OptionName[];

/** Those that have a flag and a variable. */
export const flagNames = optionNames.filter((name) => declaration(name).onlyInFile !== true);

/** A declaration without the type of its value, for code that treats all options alike. */
export function declaration(name: OptionName): Option<unknown> {
  return options[name];
}

export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(options, name);
}

/** `pause-timeout` is `PGCM_PAUSE_TIMEOUT` in the environment. */
export function variableName(name: OptionName): string {
  return `PGCM_${name.toUpperCase().replaceAll('-', '_')}`;
}
