import type { Bouncer } from '../domain/bouncer.js';
import type { ClusterManager } from '../domain/cluster.js';
import { describeError } from '../domain/errors.js';
import type { NodeHealth, PartHealth } from '../domain/node-api.js';
import type { Postgres } from '../domain/postgres.js';
import type { RouteStore } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { requireOperable } from './move-target.js';

/** Whatever the caller's patience: a part that is silent for so long is ill. */
const LONGEST: Milliseconds = 10_000;

export interface HealthParts {
  readonly manager: ClusterManager;
  readonly bouncers: readonly Bouncer[];
  readonly postgres: Postgres;
  readonly routes: RouteStore;
}

/** Asks each part that a switchover needs, all at once. The signal ends the wait for those that are silent. */
export async function checkHealth(
  { manager, bouncers, postgres, routes }: HealthParts,
  signal: AbortSignal,
): Promise<NodeHealth> {
  let node = '';
  const parts = await Promise.all([
    check('pacemaker', signal, async (on) => {
      node = await manager.localName(on);
      requireOperable(await manager.look(on));
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
