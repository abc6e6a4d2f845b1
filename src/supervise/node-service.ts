import type { Address } from '../domain/address.js';
import type { ClusterManager, Located, Topology } from '../domain/cluster.js';
import { events } from '../domain/events.js';
import type { NodeInspection } from '../domain/inspection.js';
import type { Log } from '../domain/log.js';
import type { Mandate } from '../domain/mandate.js';
import type {
  NodeHealth,
  NodeService,
  PauseOrder,
  Probe,
  Terminated,
  TerminateOrder,
  RejoinOrder,
  RejoinOutcome,
} from '../domain/node-api.js';
import type { Postgres } from '../domain/postgres.js';
import type { RouteStore } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import type { Addresses } from './addresses.js';
import { checkHealth } from './health.js';
import { inspectNode } from './inspect.js';
import { UNNAMED } from './janitor.js';
import type { LocalBouncers } from './local-bouncers.js';
import type { MandateGate } from './mandate-gate.js';
import type { Rejoin } from './rejoin.js';
import { moveTarget, requireStreamingSync } from './move-target.js';

export interface SuperviseParts {
  readonly manager: ClusterManager;
  /** This node's name in the cluster manager. */
  readonly localName: (signal: AbortSignal) => Promise<string>;
  readonly addresses: Addresses;
  /** The cluster as it was seen no longer ago than `age`, if it was. */
  readonly recentLook: (age: Milliseconds) => Topology | undefined;
  readonly routes: RouteStore;
  readonly bouncers: LocalBouncers;
  readonly postgres: Postgres;
  readonly gate: MandateGate;
  readonly promotion: PromotionWatch;
  readonly rejoin: Rejoin;
  /** A switchover is about to move the primary away from this node. It may be told more than once. */
  readonly onPrepared: (mandate: Mandate) => void;
  /** The primary here is about to be moved away. */
  readonly onDemotion: () => void;
  readonly log: Log;
}

/** The switchover asks its target before and after the move: the first time it is still a standby. */
export interface PromotionWatch {
  expect(): void;
  /** Waits until this node's PostgreSQL is seen to take writes. @returns what it said of itself then */
  happened(ms: Milliseconds, signal: AbortSignal): Promise<Probe | 'timed-out' | 'aborted'>;
}

/**
 * Clients wait while a primary is moved, and a look at the cluster manager takes longer than all the
 * rest. What changes in between, PostgreSQL itself is asked for.
 */
const RECENT: Milliseconds = 1_500;

/** What the failover API does on this node. Whatever acts does so only on behalf of who holds the lock. */
export class SuperviseNode implements NodeService {
  readonly #parts: SuperviseParts;

  constructor(parts: SuperviseParts) {
    this.#parts = parts;
  }

  healthCheck(signal: AbortSignal): Promise<NodeHealth> {
    const { bouncers, ...parts } = this.#parts;
    return checkHealth({ ...parts, bouncers: bouncers.all }, signal);
  }

  inspect(signal: AbortSignal): Promise<NodeInspection> {
    return inspectNode(this.#parts, signal);
  }

  async probe(wait: Milliseconds, signal: AbortSignal): Promise<Probe> {
    const { postgres, promotion } = this.#parts;
    const probe = await postgres.probe(signal);
    if (!probe.inRecovery) return probe;
    promotion.expect();
    if (wait === 0) return probe;
    const seen = await promotion.happened(wait, signal);
    return typeof seen === 'string' ? probe : seen;
  }

  async pause(order: PauseOrder, mandate: Mandate | undefined, signal: AbortSignal): Promise<void> {
    await this.#parts.gate.pass(mandate, signal);
    await this.#parts.bouncers.pause(order, signal);
  }

  async resume(
    target: Address | undefined,
    timeout: Milliseconds,
    mandate: Mandate | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#parts.gate.pass(mandate, signal);
    await this.#parts.bouncers.resume(target, timeout, signal);
  }

  async migrate(
    member: string | undefined,
    mandate: Mandate | undefined,
    signal: AbortSignal,
  ): Promise<Located> {
    const { manager, gate, onPrepared, onDemotion, log } = this.#parts;
    const [granted, { target, isHere }] = await Promise.all([
      gate.open(mandate, signal),
      this.#target(member, signal),
    ]);
    log.info(
      events.clientsMigrate,
      { target: target.name, address: target.address, switchover: mandate?.switchover },
      'asking the cluster manager to move the primary',
    );
    await granted.stillGood();
    // There may have been no checkpoint, or this process may be a new one since.
    if (isHere && mandate !== undefined) onPrepared(mandate);
    if (isHere) onDemotion();
    await manager.move(target.name, mandate?.switchover ?? UNNAMED, signal);
    return target;
  }

  /** Only a member that is safe now, where it is, and whether the primary that it replaces is on this node. */
  async #target(
    member: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly target: Located; readonly isHere: boolean }> {
    const { manager, localName, addresses, recentLook, postgres } = this.#parts;
    const local = await localName(signal);
    const recent = recentLook(RECENT);
    const wasHere = recent?.primary.kind === 'one' && recent.primary.name === local;
    // Where PostgreSQL cannot be asked who streams, the cluster manager's word must be new.
    const topology = wasHere ? recent : await manager.look(signal);
    const { name } = moveTarget(topology, member);
    const address = await addresses.of(name, signal);
    const isHere = topology.primary.kind === 'one' && topology.primary.name === local;
    if (isHere) requireStreamingSync(name, address, await postgres.senders(signal));
    return { target: { name, address }, isHere };
  }

  async unmigrate(mandate: Mandate | undefined, signal: AbortSignal): Promise<void> {
    const { gate, manager, log } = this.#parts;
    await gate.pass(mandate, signal);
    const removed = await manager.cancelMove(mandate?.switchover, signal);
    log.info(events.clientsUnmigrate, { removed: removed.join(' ') });
  }

  async checkpoint(mandate: Mandate, signal: AbortSignal): Promise<void> {
    await this.#parts.gate.pass(mandate, signal);
    this.#parts.onPrepared(mandate);
    await this.#parts.postgres.checkpoint(signal);
  }

  async terminate(
    { olderThan }: TerminateOrder,
    mandate: Mandate,
    signal: AbortSignal,
  ): Promise<readonly Terminated[]> {
    const { gate, postgres, log } = this.#parts;
    await gate.pass(mandate, signal);
    const ended = await postgres.terminate(olderThan, signal);
    log.warn(events.blockersTerminated, {
      switchover: mandate.switchover,
      backends: ended.map(({ pid, user }) => `${pid} (${user})`).join(' '),
    });
    return ended;
  }

  rejoin(order: RejoinOrder, mandate: Mandate, signal: AbortSignal): Promise<RejoinOutcome> {
    const { rejoin, gate } = this.#parts;
    return rejoin.run(order, () => gate.pass(mandate, signal), signal);
  }
}
