import { parseAddress, type Address } from '../../src/domain/address.js';
import type { Located, Member } from '../../src/domain/cluster.js';
import { PgcmError } from '../../src/domain/errors.js';
import type {
  NodeApi,
  NodeHealth,
  PartHealth,
  PauseOrder,
  Probe,
  RejoinOutcome,
} from '../../src/domain/node-api.js';
import type { NodeInspection, OpenTransaction, PostgresInspection } from '../../src/domain/inspection.js';
import type { FailoverLock, FoundLock, HeldLock, HistoryStore } from '../../src/domain/stores.js';
import type { ProxyState, SwitchoverReport } from '../../src/domain/switchover.js';
import { newContext, type SwitchoverContext } from '../../src/failover/context.js';
import { runWithDeadline, sleep } from '../../src/runtime/deadline.js';
import { reportOf } from './history.js';
import { FakeLog } from './log.js';
import { FakePauseRequests } from './pause-requests.js';
import { FakeProxyRegistry, proxyOf } from './proxies.js';
import { FakeRoutes } from './routes.js';

/** Everything that happened to the cluster, in order: `pause pg01`, `resume pg01 10.77.0.12`, `lock`... */
export type Deed = string;

/**
 * A cluster of three nodes behind their APIs, with pg01 as its primary and pg02 as sync standby, and the
 * proxy of an app host.
 */
export class FakeCluster {
  readonly deeds: Deed[] = [];
  readonly log = new FakeLog();
  readonly routes = new FakeRoutes();
  readonly requests = new FakePauseRequests();
  readonly proxies = new FakeProxyRegistry();
  readonly reports: SwitchoverReport[] = [];
  /** The history before the first run here. */
  earlier: readonly SwitchoverReport[] = [reportOf('earlier')];
  /** Bouncers that let clients wait: of nodes, and of proxies. */
  readonly paused = new Set<string>();
  readonly names = ['pg01', 'pg02', 'pg03'] as const;
  primary = 'pg01';
  timeline = 1;
  /** A part of a node that its health check finds ill. */
  readonly illness = new Map<string, PartHealth>();
  /** Changes what a node says of itself. */
  readonly inspections = new Map<string, (found: NodeInspection) => NodeInspection>();
  transactions: readonly OpenTransaction[] = [];
  /** What the proxies make of a request to pause; undefined: they never say anything. */
  proxyAnswer: 'paused' | 'failed' | undefined = 'paused';
  rejoined: RejoinOutcome = { kind: 'streaming', already: false };
  constraint = false;
  locked = false;
  /** Another run that holds the lock. */
  found: FoundLock | undefined;
  readonly lockLost = new AbortController();
  /** Makes one kind of deed fail or hang: keyed by the deed's first words. */
  readonly faults = new Map<string, (signal: AbortSignal) => Promise<void>>();
  /** Proxies that hear of no request. */
  readonly deaf = new Set<string>();
  /** What the move does after it was accepted; by default it succeeds at once. */
  onMove = (target: string): void => this.promote(target);
  /** A node is asked by rpc to pause. */
  onPause: (name: string, order: PauseOrder) => void = () => undefined;

  constructor() {
    this.routes.put(this.addressOf('pg01'));
    this.join('app01');
    void this.requests.follow(() => this.#obey(), new AbortController().signal);
    void this.routes.follow(() => this.#obey(), new AbortController().signal);
  }

  addressOf(name: string): Address {
    return parseAddress(`10.77.0.1${name.slice(-1)}`);
  }

  promote(name: string): void {
    this.primary = name;
    this.timeline += 1;
    this.routes.put(this.addressOf(name));
  }

  /** A proxy registers; while a request is live it pauses first. */
  join(id: string): void {
    this.proxies.put(proxyOf(id, { route: this.#route() }));
    this.#obey();
  }

  #route(): { readonly address: string; readonly revision: bigint; readonly appliedAt: string } | undefined {
    const { reading } = this.routes;
    return reading.kind === 'route' ? { ...reading.route, appliedAt: '2026-01-01T00:00:00Z' } : undefined;
  }

  /** What the proxies do about the request, with the route applied as soon as it is published. */
  #obey(): void {
    const request = this.requests.current;
    void this.proxies.list().then(({ proxies }) => {
      for (const proxy of proxies.filter(({ id }) => !this.deaf.has(id))) {
        const route = this.#route();
        const running = { ...proxy, route, pause: { kind: 'running' } as const };
        const released =
          request?.phase === 'abort' ||
          (request?.phase === 'release' && (route?.revision ?? 0n) >= (request.release ?? 0n));
        if (request === undefined || released) {
          if (this.paused.delete(proxy.id)) this.deeds.push(`resume ${proxy.id} ${route?.address ?? ''}`);
          this.#tell(proxy, running);
        } else if (request.phase === 'pause' && proxy.pause.kind === 'running') {
          if (this.proxyAnswer === 'paused') {
            this.paused.add(proxy.id);
            this.deeds.push(`pause ${proxy.id}`);
            this.#tell(proxy, { ...running, pause: { kind: 'paused', request: request.id } });
          } else if (this.proxyAnswer === 'failed') {
            const error = 'a transaction stayed open';
            this.#tell(proxy, { ...running, pause: { kind: 'failed', request: request.id, error } });
          }
        } else this.#tell(proxy, { ...proxy, route });
      }
    });
  }

  #tell(before: ProxyState, now: ProxyState): void {
    const same = before.pause.kind === now.pause.kind && before.route?.revision === now.route?.revision;
    if (!same) this.proxies.put(now);
  }

  context(options: Partial<SwitchoverContext['options']> = {}): SwitchoverContext {
    return newContext(
      {
        apis: this.names.map((name) => this.#api(name)),
        lock: this.#lock(),
        lockView: {
          owner: () => Promise.resolve(this.found),
          removeDead: () => Promise.reject(new Error('nobody removes a lock here')),
        },
        routes: this.routes,
        requests: this.requests,
        proxies: this.proxies,
        topology: {
          read: () =>
            Promise.resolve({
              systemIdentifier: '1',
              timeline: this.timeline,
              members: this.names.map((name) => ({
                name,
                address: this.addressOf(name),
                role: name === this.primary ? ('primary' as const) : ('standby' as const),
                syncState: 'sync' as const,
                lag: 0,
                up: true,
              })),
              primary: { state: 'up' as const, name: this.primary, since: '2026-01-01T00:00:00Z' },
            }),
        },
        history: this.#history(),
        log: this.log,
      },
      {
        healthCheckTimeout: 1_000,
        lockTimeout: 200,
        checkpointTimeout: 1_000,
        pauseTimeout: 1_000,
        pauseExpiry: 5_000,
        resumeTimeout: 200,
        pacemakerTimeout: 1_000,
        promoteTimeout: 1_000,
        rejoinTimeout: 1_000,
        etcdTimeout: 1_000,
        to: undefined,
        force: false,
        terminateBlockers: undefined,
        maxLag: 16 * 1_024 ** 2,
        ...options,
      },
      { id: 'test', host: 'client', pid: 1, since: '2026-01-01T00:00:00Z' },
    );
  }

  #history(): HistoryStore {
    return {
      add: async (report, signal) => {
        await this.#do('history', signal);
        this.reports.unshift(report);
      },
      list: () => Promise.resolve({ reports: [...this.reports, ...this.earlier], problems: [] }),
    };
  }

  #inspection(name: string): NodeInspection {
    const found: NodeInspection = {
      node: name,
      proxy: '',
      manager: {
        topology: {
          quorum: true,
          primary: { kind: 'one', name: this.primary },
          members: this.names.map((member) => this.#member(member)),
        },
        obstacles: [],
        moves: this.constraint ? ['test'] : [],
      },
      postgres: this.#postgres(name),
      bouncers: [{ name: '6432', error: '', sessionPooled: [], queryWaitTimeout: 120_000 }],
      problems: [],
    };
    return this.inspections.get(name)?.(found) ?? found;
  }

  /** The synchronous standby is the first that is not the primary, pg02 before pg01. */
  get #sync(): string {
    return this.primary === 'pg02' ? 'pg01' : 'pg02';
  }

  #member(name: string): Member {
    const primary = name === this.primary;
    return {
      name,
      role: primary ? 'primary' : 'standby',
      syncState: primary ? 'unknown' : name === this.#sync ? 'sync' : 'async',
      online: true,
      unclean: false,
    };
  }

  #postgres(name: string): PostgresInspection {
    const primary = name === this.primary;
    const standbys = this.names.filter((other) => other !== name);
    return {
      systemIdentifier: '1',
      inRecovery: !primary,
      timeline: this.timeline,
      receiving: !primary,
      senders: !primary
        ? []
        : standbys.map((standby) => ({
            name: standby,
            address: this.addressOf(standby),
            state: 'streaming',
            syncState: standby === this.#sync ? 'sync' : 'async',
            lag: 0,
            stale: undefined,
          })),
      transactions: primary ? this.transactions : [],
    };
  }

  async #do(deed: Deed, signal: AbortSignal): Promise<void> {
    this.deeds.push(deed);
    const fault = [...this.faults].find(([prefix]) => deed.startsWith(prefix))?.[1];
    await fault?.(signal);
  }

  #api(name: string): NodeApi {
    const act = (what: string, signal: AbortSignal): Promise<void> => this.#do(what, signal);
    const within = (what: string, timeout: number, signal: AbortSignal): Promise<void> =>
      runWithDeadline(what, timeout, signal, (on) => act(what, on));
    return {
      endpoint: `${name}:8080`,
      healthCheck: async (_timeout, signal): Promise<NodeHealth> => {
        await act(`health ${name}`, signal);
        const ill = this.illness.get(name);
        return { healthy: ill === undefined, node: name, parts: ill === undefined ? [] : [ill] };
      },
      pause: async (order: PauseOrder, _mandate, signal) => {
        await act(`pause ${name}`, signal);
        this.paused.add(name);
        this.onPause(name, order);
      },
      resume: async (target, _timeout, _mandate, signal) => {
        await act(`resume ${name} ${target ?? 'anywhere'}`, signal);
        this.paused.delete(name);
      },
      migrate: async (member, _mandate, timeout, signal): Promise<Located> => {
        await within(`migrate via ${name}`, timeout, signal);
        this.constraint = true;
        const target = member ?? this.#sync;
        setImmediate(() => this.onMove(target));
        return { name: target, address: this.addressOf(target) };
      },
      unmigrate: async (_mandate, timeout, signal) => {
        await within(`unmigrate via ${name}`, timeout, signal);
        this.constraint = false;
      },
      probe: async (wait, _timeout, signal): Promise<Probe> => {
        await act(`probe ${name}`, signal);
        for (let ms = 0; ms < wait && this.primary !== name && !signal.aborted; ms += 5)
          await sleep(5, signal);
        return {
          inRecovery: this.primary !== name,
          timeline: this.timeline,
          takesWrites: this.primary === name,
        };
      },
      inspect: async (_timeout, signal) => {
        await act(`inspect ${name}`, signal);
        return this.#inspection(name);
      },
      checkpoint: async (_mandate, timeout, signal) => {
        await within(`checkpoint ${name}`, timeout, signal);
      },
      terminate: async ({ olderThan }, _mandate, _timeout, signal) => {
        await act(`terminate ${name}`, signal);
        const ended = this.transactions.filter(({ age }) => age >= olderThan);
        this.transactions = this.transactions.filter(({ age }) => age < olderThan);
        return ended.map(({ pid, user, age }) => ({ pid, user, age }));
      },
      rejoin: async (_order, _mandate, signal): Promise<RejoinOutcome> => {
        await act(`rejoin ${name}`, signal);
        return this.rejoined;
      },
      close: () => undefined,
    };
  }

  #lock(): FailoverLock {
    return {
      acquire: async (_holder, signal): Promise<HeldLock> => {
        await this.#do('lock', signal);
        if (this.locked) throw new PgcmError('lock-held', 'the failover lock is held by somebody');
        this.locked = true;
        return {
          revision: 7n,
          lost: this.lockLost.signal,
          release: async (on) => {
            await this.#do('unlock', on);
            this.locked = false;
          },
        };
      },
    };
  }
}

/** A fault that never answers, but ends with its signal. */
export function hang(signal: AbortSignal): Promise<void> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

export function fail(code: ConstructorParameters<typeof PgcmError>[0], message: string): () => Promise<void> {
  return () => Promise.reject(new PgcmError(code, message));
}
