import type { CommandName } from '../config/command-names.js';

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
      'Checks every node, takes the lock, pauses the clients in PgBouncer, moves the primary, waits until the new ' +
        'one takes writes, and lets the clients go on there. To them it is one slow query. When a step fails, ' +
        'the steps before it are undone, the clients first. It runs on any machine that reaches etcd and the nodes.',
      'The first Ctrl-C (or SIGTERM, or the loss of the terminal) undoes what was done and ends, as long as the move ' +
        'has not begun; then it is seen through, as half a move is worse. The second ends at once and leaves the ' +
        'undoing to the expiries.',
      'What clients can notice is a wait. It lasts as long as the failover takes, and its bounds are: ' +
        'pause-timeout until their transactions have ended, promote-timeout for the move, resume-timeout until they ' +
        'go on; pause-expiry bounds it all, whatever happens.',
    ],
    statuses: [
      ['0', 'done'],
      ['1', 'an unexpected error'],
      usual[2],
      ['3', 'refused by the checks, or another run holds the lock: nothing was touched'],
      ['4', 'failed and rolled back: clients are where they were'],
      ['5', 'failed after the move began: the log says who is primary'],
      ['6', 'a clean-up is left to do: the log says which, and whether the primary was moved'],
      ['129, 130, 143', 'interrupted by SIGHUP, SIGINT, SIGTERM before the move, and rolled back'],
    ],
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

export const topics = Object.keys(commandTexts) as readonly Topic[];

export function isTopic(word: string): word is Topic {
  return Object.hasOwn(commandTexts, word);
}
