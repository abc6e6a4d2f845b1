import type { Address } from '../domain/address.js';
import type { Bouncer } from '../domain/bouncer.js';
import { syncStandby, type ClusterManager, type Located, type Topology } from '../domain/cluster.js';
import { describeError, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Mandate } from '../domain/mandate.js';
import type { NodeHealth, NodeService, PartHealth, PauseOrder, Probe } from '../domain/node-api.js';
import type { Postgres } from '../domain/postgres.js';
import type { RouteReading, RouteStore } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import type { PauseKeeper } from '../pausing/pause-keeper.js';
import { runWithDeadline } from '../runtime/deadline.js';

export interface SuperviseParts {
  readonly manager: ClusterManager;
  readonly routes: RouteStore;
  readonly published: () => RouteReading | undefined;
  readonly bouncers: readonly Bouncer[];
  readonly keeper: PauseKeeper;
  readonly postgres: Postgres;
  /** The switchover asks its target before and after: the first time it is still a standby. */
  readonly expectPromotion: () => void;
  readonly log: Log;
  /** For each part's answer to a health check. */
  readonly partTimeout: Milliseconds;
}

/** What the failover API does on this node. */
export class SuperviseNode implements NodeService {
  readonly #parts: SuperviseParts;

  constructor(parts: SuperviseParts) {
    this.#parts = parts;
  }

  async healthCheck(signal: AbortSignal): Promise<NodeHealth> {
    const { manager, bouncers, postgres, routes } = this.#parts;
    let node = '';
    const parts = await Promise.all([
      this.#check('pacemaker', signal, async (on) => {
        node = await manager.localName(on);
        requireOperable(await manager.look(on));
      }),
      this.#check('pgbouncer', signal, async (on) => {
        await Promise.all(bouncers.map((b) => b.databases(on)));
      }),
      this.#check('postgres', signal, async (on) => {
        await postgres.state(on);
      }),
      this.#check('etcd', signal, async (on) => {
        await routes.read(on);
      }),
    ]);
    return { healthy: parts.every((p) => p.healthy), node, parts };
  }

  async #check(
    part: string,
    signal: AbortSignal,
    ask: (on: AbortSignal) => Promise<void>,
  ): Promise<PartHealth> {
    try {
      await runWithDeadline(part, this.#parts.partTimeout, signal, ask);
      return { part, healthy: true, message: '' };
    } catch (error) {
      return { part, healthy: false, message: describeError(error) };
    }
  }

  async pause(order: PauseOrder, _mandate: Mandate | undefined, signal: AbortSignal): Promise<void> {
    const reading = this.#parts.published();
    await this.#parts.keeper.pause(
      order,
      reading?.kind === 'route' ? reading.route.address : undefined,
      signal,
    );
  }

  async resume(
    target: Address | undefined,
    timeout: Milliseconds,
    _mandate: Mandate | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#parts.keeper.resume(target, timeout, signal);
  }

  async migrate(
    _member: string | undefined,
    mandate: Mandate | undefined,
    signal: AbortSignal,
  ): Promise<Located> {
    const { manager, log } = this.#parts;
    const topology = await manager.look(signal);
    requireOperable(topology);
    const standby = syncStandby(topology);
    if (standby === undefined) {
      const seen = topology.members.map(
        (m) => `${m.name} ${m.role}/${m.syncState}${m.online ? '' : '/offline'}`,
      );
      throw new PgcmError(
        'no-sync-standby',
        `no synchronous standby to move the primary to: ${seen.join(', ')}`,
      );
    }
    const address = await manager.addressOf(standby.name, signal);
    log.info(
      events.clientsMigrate,
      { target: standby.name, address },
      'asking the cluster manager to move the primary',
    );
    await manager.move(standby.name, mandate?.switchover ?? 'unnamed', signal);
    return { name: standby.name, address };
  }

  async unmigrate(mandate: Mandate | undefined, signal: AbortSignal): Promise<void> {
    const removed = await this.#parts.manager.cancelMove(mandate?.switchover, signal);
    this.#parts.log.info(events.clientsUnmigrate, { removed });
  }

  inspect = (): Promise<never> => notYet('inspect');
  checkpoint = (): Promise<never> => notYet('checkpoint');
  terminate = (): Promise<never> => notYet('terminate');
  rejoin = (): Promise<never> => notYet('rejoin');

  async probe(signal: AbortSignal): Promise<Probe> {
    const probe = await this.#parts.postgres.probe(signal);
    if (probe.inRecovery) this.#parts.expectPromotion();
    return probe;
  }
}

function notYet(rpc: string): Promise<never> {
  return Promise.reject(new PgcmError('unsupported', `${rpc} is not there yet`));
}

/** @throws PgcmError when the cluster manager cannot move anything now */
function requireOperable({ quorum, primary }: Topology): void {
  if (!quorum) throw new PgcmError('no-quorum', 'this node is in a partition without quorum');
  if (primary.kind === 'none') throw new PgcmError('no-primary', `there is no primary: ${primary.why}`);
  if (primary.kind === 'several') {
    throw new PgcmError('two-primaries', `several nodes are promoted: ${primary.names.join(', ')}`);
  }
}
