import type { ClusterManager } from '../domain/cluster.js';
import { describeError } from '../domain/errors.js';
import type { NodeInspection } from '../domain/inspection.js';
import { leadingTo } from '../pausing/destination.js';
import { inspectBouncer, type HeldDatabases } from '../pausing/inspect-bouncer.js';
import type { Postgres } from '../domain/postgres.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import type { LocalBouncers } from './local-bouncers.js';

export interface InspectedParts {
  readonly manager: ClusterManager;
  readonly postgres: Postgres;
  readonly bouncers: LocalBouncers;
}

/** Whatever the caller's patience: a part that is silent for so long is not waited for. */
const LONGEST: Milliseconds = 30_000;

/** Finds out everything at once; what cannot be found out in time becomes a problem, not a failure. */
export async function inspectNode(
  { manager, postgres, bouncers }: InspectedParts,
  signal: AbortSignal,
): Promise<NodeInspection> {
  const problems: string[] = [];
  const find = async <T>(what: string, ask: (on: AbortSignal) => Promise<T>): Promise<T | undefined> => {
    try {
      return await runWithDeadline(what, LONGEST, signal, ask);
    } catch (error) {
      problems.push(`${what}: ${describeError(error)}`);
      return undefined;
    }
  };
  const held: HeldDatabases = (databases) => [...leadingTo(bouncers.primary, databases)];
  const [node, proxy, ofManager, ofPostgres, ofBouncers] = await Promise.all([
    find("this node's name", (on) => manager.localName(on)),
    find('the proxy of this node', (on) => bouncers.proxyId(on)),
    find('the cluster manager', (on) => manager.inspect(on)),
    find('PostgreSQL', (on) => postgres.inspect(on)),
    Promise.all(bouncers.all.map((bouncer) => inspectBouncer(bouncer, held, LONGEST, signal))),
  ]);
  return {
    node: node ?? '',
    proxy: proxy ?? '',
    manager: ofManager,
    postgres: ofPostgres,
    bouncers: ofBouncers.map(({ inspection }) => inspection),
    problems,
  };
}
