import type { Bouncer } from '../domain/bouncer.js';
import type { ClusterManager, Topology } from '../domain/cluster.js';
import { describeError } from '../domain/errors.js';
import type { NodeHealth, PartHealth } from '../domain/node-api.js';
import type { Postgres } from '../domain/postgres.js';
import type { RouteStore } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { requireOperable } from './move-target.js';

/** Whatever the caller's patience: a part that is silent for so long is ill. */
const LONGEST: Milliseconds = 10_000;

/**
 * A look that is no older counts as an answer: a switchover asks all nodes at once, and a machine that is busy is not ill for
 * starting no more programs in time.
 */
const RECENT: Milliseconds = 1_500;

export interface HealthParts {
  readonly manager: ClusterManager;
  /** The cluster as it was seen no longer ago than `age`, if the newest look succeeded. */
  readonly recentLook: (age: Milliseconds) => Topology | undefined;
  readonly bouncers: readonly Bouncer[];
  readonly postgres: Postgres;
  readonly routes: RouteStore;
}

/** Asks each part that a switchover needs, all at once. The signal ends the wait for those that are silent. */
export async function checkHealth(
  { manager, recentLook, bouncers, postgres, routes }: HealthParts,
  signal: AbortSignal,
): Promise<NodeHealth> {
  let node = '';
  const parts = await Promise.all([
    check('pacemaker', signal, async (on) => {
      node = await manager.localName(on);
      requireOperable(recentLook(RECENT) ?? (await manager.look(on)));
    }),
    check('pgbouncer', signal, async (on) => {
      await Promise.all(bouncers.map((bouncer) => bouncer.databases(on)));
    }),
    check('postgres', signal, async (on) => {
      await postgres.state(on);
    }),
    check('etcd', signal, async (on) => {
      await routes.read(on);
    }),
  ]);
  return { healthy: parts.every((part) => part.healthy), node, parts };
}

async function check(
  part: string,
  signal: AbortSignal,
  ask: (on: AbortSignal) => Promise<void>,
): Promise<PartHealth> {
  try {
    await runWithDeadline(part, LONGEST, signal, ask);
    return { part, healthy: true, message: '' };
  } catch (error) {
    return { part, healthy: false, message: describeError(error) };
  }
}
