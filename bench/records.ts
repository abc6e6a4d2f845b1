/**
 * What the programs inside the client host tell the driver outside: one JSON object a line. Every
 * time is in milliseconds on the machine's clock (clock.ts).
 */

/** A statement that was acknowledged. */
export interface Ack {
  readonly kind: 'ack';
  /** Number of the client, from 0, over all targets. */
  readonly client: number;
  readonly id: number;
  readonly sent: number;
  readonly done: number;
}

/** A statement, a connection or an attempt to connect that failed. Nothing is ever retried. */
export interface Failure {
  readonly kind: 'failure';
  readonly client: number;
  readonly during: 'statement' | 'idle' | 'connect';
  /** Of the failed statement. */
  readonly id?: number;
  readonly sent: number;
  readonly done: number;
  readonly message: string;
}

/** All clients are connected and begin. */
export interface Started {
  readonly kind: 'started';
  readonly at: number;
}

/** The last client has ended. The load was asked to stop at `stopped`. */
export interface Ended {
  readonly kind: 'ended';
  readonly stopped: number;
  readonly at: number;
}

export type LoadRecord = Ack | Failure | Started | Ended;

/** Where clients connect to: a bouncer, and how many of them. */
export interface Target {
  readonly name: string;
  readonly host: string;
  /** With these they choose themselves: they connect to the first of all hosts that takes writes. */
  readonly others?: readonly string[];
  readonly port: number;
  readonly clients: number;
}

export interface LoadConfig {
  readonly targets: readonly Target[];
  readonly table: string;
  /** The load ends by itself after this time, whatever became of the driver. */
  readonly seconds: number;
  /** Statements a second that each client tries; one at a time, so a slow answer lowers it. */
  readonly rate: number;
  readonly statementTimeoutMs: number;
}

/** What the prober saw: the first answer, then each change, then once the end. */
export type ProbeRecord =
  | { readonly kind: 'recovery'; readonly at: number }
  /** An insert was acknowledged. */
  | { readonly kind: 'writable'; readonly at: number }
  | { readonly kind: 'unreachable'; readonly at: number; readonly message: string }
  | { readonly kind: 'ended'; readonly looks: number; readonly longestGap: number };

export interface ProbeConfig {
  readonly host: string;
  readonly port: number;
  readonly table: string;
  readonly seconds: number;
  readonly intervalMs: number;
}

/** Some of the simulated proxies: those numbered from `first` to before `end`. */
/** The switchover that a history is to tell of. */
export interface EarlierSwitchover {
  readonly endpoints: readonly string[];
  readonly from: { readonly name: string; readonly address: string };
  readonly to: { readonly name: string; readonly address: string };
}

export interface ProxiesConfig {
  readonly first: number;
  readonly end: number;
  readonly endpoints: readonly string[];
  readonly masterKey: string;
  readonly seconds: number;
  /** Tell of each route that each of them has applied. */
  readonly tellApplied?: boolean;
}

export type ProxiesRecord =
  /** All of them are registered and lead to the published route. */
  | { readonly kind: 'started'; readonly at: number }
  /** A route is in its file, and its bouncer was seen to lead there. */
  | { readonly kind: 'applied'; readonly at: number; readonly proxy: string; readonly revision: number }
  /** Something that one of them logged as a warning or an error. */
  | { readonly kind: 'complaint'; readonly at: number; readonly proxy: string; readonly text: string }
  /** With the most memory that the process had, in 10^6 bytes. */
  | { readonly kind: 'ended'; readonly at: number; readonly rssMb: number };

/** What the driver of `bench routes` is to do, in the package layer. */
export const etcdRoles = ['follower', 'leader'] as const;
export type EtcdRole = (typeof etcdRoles)[number];

export interface RoutesConfig {
  /** So many proxies, one size after the other; the last one is the benchmark's own. */
  readonly sizes: readonly number[];
  /** New routes for each size. */
  readonly puts: number;
  /** Which member of etcd is killed in the middle: every watch ends when it is the leader. */
  readonly kill: EtcdRole;
  /** To look for so long at what proxies cost when nothing changes. */
  readonly idleSeconds: number;
}
