import type { CommandName } from '../config/command-names.js';
import type { OptionName } from '../config/options.js';

export type Topic = CommandName | 'show-config' | 'version';

export interface CommandText {
  /** One line, for the list of commands. */
  readonly summary: string;
  /** Paragraphs. */
  readonly about: readonly string[];
  readonly statuses: readonly (readonly [status: string, meaning: string])[];
}

const usual = [
  ['0', 'done'],
  ['1', 'an unexpected error'],
  ['2', 'wrong options, or a configuration that cannot be used: nothing was started'],
] as const;

const daemon = [
  ['0', 'ended by SIGINT, SIGTERM or SIGHUP'],
  ['1', 'a part of it failed, for instance because its port is in use'],
  usual[2],
] as const;

/** The commands as help tells of them. */
export const commandTexts: Readonly<Record<Topic, CommandText>> = {
  supervise: {
    summary: 'on each Postgres node: publish the primary, serve the failover API',
    about: [
      "Watches Pacemaker, and while its partition has quorum keeps the primary's address in etcd. Serves the API " +
        'through which `pgcm failover` pauses and resumes the clients of this node and moves the primary.',
      'It stays up when Pacemaker, etcd, PgBouncer or PostgreSQL are away: it says what it tried and tries again.',
    ],
    statuses: daemon,
  },
  proxy: {
    summary: 'beside each PgBouncer: keep it pointed at the primary',
    about: [
      "Follows the primary's address in etcd, writes it into PgBouncer's configuration and reloads PgBouncer. When " +
        'etcd is away, or holds something that is no address, PgBouncer stays as it is.',
    ],
    statuses: daemon,
  },
  failover: {
    summary: 'move the primary to the synchronous standby without a failed query',
    about: [
      'Checks every node and every proxy, takes the lock, writes a checkpoint on the primary, pauses the clients ' +
        'in every PgBouncer, moves the primary, waits until the new one takes writes, and lets the clients go on ' +
        'there; then it brings the old primary back as a standby. To clients it is one slow query. When a step fails, ' +
        'the steps before it are undone, the clients first. It runs on any machine that reaches etcd and the nodes.',
      'The first Ctrl-C (or SIGTERM, or the loss of the terminal) undoes what was done and ends, as long as the move ' +
        'has not begun; then it is seen through, as half a move is worse. The second ends at once and leaves the ' +
        'undoing to the expiries, or to `pgcm cleanup`.',
      'What clients can notice is a wait. It lasts as long as the failover takes, and its bounds are: ' +
        'pause-timeout until their transactions have ended, promote-timeout for the move, resume-timeout until they ' +
        'go on; pause-expiry bounds it all, whatever happens.',
    ],
    statuses: [
      ['0', 'done; with --dry-run: it would be begun'],
      ['1', 'an unexpected error'],
      usual[2],
      [
        '3',
        'refused by the checks, or another run holds the lock: nothing was touched; with --dry-run: it would be refused',
      ],
      ['4', 'failed and rolled back: clients are where they were, and saw no error'],
      ['5', 'failed after the move began: the message says what is true now'],
      ['6', 'done or rolled back, but a clean-up is left to do: the message says which'],
      ['129, 130, 143', 'interrupted by SIGHUP, SIGINT, SIGTERM before the move, and rolled back'],
    ],
  },
  cleanup: {
    summary: 'take back at once what a failover that died has left',
    about: [
      'Lets all clients go on where they are, takes back the moves that pgcm asked the cluster manager for, and ' +
        'removes the pause request and the lock of a run that is dead. Says in one line each what it found and did. ' +
        'Without it the same happens by itself: clients go on after pause-expiry, the lock is free after 10 s, and ' +
        "any node's supervise takes back an orphaned move within a minute.",
      'It is safe at any time, also twice. While a failover is alive it refuses, and names it: that one cleans up itself.',
    ],
    statuses: [
      ['0', 'done: nothing is left'],
      ['1', 'an unexpected error'],
      usual[2],
      ['3', 'refused, as a failover is running: nothing was touched'],
      ['6', 'something is left: the output says what, and why'],
      ['129, 130, 143', 'interrupted by SIGHUP, SIGINT, SIGTERM: run it again'],
    ],
  },
  adopt: {
    summary: 'make a new record of who may be promoted, after it was lost',
    about: [
      "Only with pgcm's own resource agent. When the record in etcd is gone, is another cluster's, or is older than what " +
        'this node has seen of it, nobody is promoted any more. `pgcm adopt NODE`, run on NODE as root, makes a new one in ' +
        'which NODE alone may be promoted. What it finds and writes it says in one line each.',
      'Commits that another member has and NODE has not are lost by it: choose the node that was the last primary, or the ' +
        'standby that commits waited for. All other members have to be down: the cluster manager says so, with quorum, and ' +
        "nothing listens on PostgreSQL's port there. Start them when NODE is primary: they follow it then.",
    ],
    statuses: [
      ['0', 'done; with --dry-run: it would be done'],
      ['1', 'an unexpected error'],
      usual[2],
      ['3', 'refused: nothing was written, and the message says what to do'],
      ['129, 130, 143', 'interrupted by SIGHUP, SIGINT, SIGTERM: run it again'],
    ],
  },
  status: {
    summary: 'show the members, the route, every proxy and the last failovers',
    about: [
      'Asks etcd and every Postgres node, all at the same time, and shows what they say: members with role, ' +
        'replication and timeline; where clients are led, and since when; every proxy with its route and pause; who ' +
        'holds the failover lock; what stands in the way of a move; the last failovers. What could not be found ' +
        'out is said. It changes nothing.',
    ],
    statuses: [
      ['0', 'all is well'],
      ['1', 'something is wrong or could not be found out: the output says what'],
      usual[2],
      ['129, 130, 143', 'interrupted by SIGHUP, SIGINT, SIGTERM'],
    ],
  },
  history: {
    summary: 'show the reports of the last failovers',
    about: [
      'Shows the reports of finished failovers, also of those that failed, the newest first: who moved where, how ' +
        'long clients waited, each step with its time, what went wrong. etcd keeps the newest 100.',
    ],
    statuses: [...usual, ['129, 130, 143', 'interrupted by SIGHUP, SIGINT, SIGTERM']],
  },
  'show-uri': {
    summary: 'print a connection URI that goes on being right when the primary moves',
    about: [
      'Prints a URI for libpq, and what understands the same, with all members of the cluster as they are published in ' +
        'etcd: for clients that use no PgBouncer. It has the present primary (or, with --role replica, the healthy ' +
        'standbys) first; libpq goes on to the next host until one is what is asked for. It holds no password.',
    ],
    statuses: [...usual, ['129, 130, 143', 'interrupted by SIGHUP, SIGINT, SIGTERM']],
  },
  'cluster-config': {
    summary: "print Pacemaker's configuration for pgcm's own resource agent",
    about: [
      'Prints, ready to be loaded, the promotable clone of ocf:pgcm:postgresql and the properties that it needs. ' +
        '`pgcm cluster-config crm | crm configure load update -` is for crmsh, `pgcm cluster-config pcs | sh` for pcs. It ' +
        'touches nothing itself. Fencing devices are left to the site.',
      'The agent has to be installed on every node before (docs/install.md). Give it the members with --cluster-members, ' +
        'and where PostgreSQL is with --postgres-data-dir and --postgres-config-file.',
    ],
    statuses: usual,
  },
  'show-config': {
    summary: 'print every option with its effective value, as TOML',
    about: [
      'Reads flags, environment and file as the other commands do, and prints what came of it as a TOML file for ' +
        '--config-file, each option with its explanation. Passwords are left out. `pgcm config show` is the same.',
      'It takes the options of all commands; their own --help tells of them.',
    ],
    statuses: usual,
  },
  version: {
    summary: 'print the version',
    about: ['Prints the version of pgcm. `pgcm --version` is the same.'],
    statuses: usual,
  },
};

/** Commands that take a word after them, and the option that it is the value of. */
export const argumentOptions: Readonly<Partial<Record<Topic, OptionName>>> = {
  adopt: 'node',
  'cluster-config': 'cluster-tool',
};

export const topics = Object.keys(commandTexts) as readonly Topic[];

export function isTopic(word: string): word is Topic {
  return Object.hasOwn(commandTexts, word);
}
