import { parseAddress, type Address } from '../../src/domain/address.js';
import type { Located } from '../../src/domain/cluster.js';
import { PgcmError } from '../../src/domain/errors.js';
import type { NodeApi, NodeHealth, PartHealth, PauseOrder, Probe } from '../../src/domain/node-api.js';
import type { FailoverLock, HeldLock } from '../../src/domain/stores.js';
import type { SwitchoverContext } from '../../src/failover/context.js';
import { runWithDeadline } from '../../src/runtime/deadline.js';
import { FakeLog } from './log.js';
import { FakeRoutes } from './routes.js';

/** Everything that happened to the cluster, in order: `pause pg01`, `resume pg01 10.77.0.12`, `lock`... */
export type Deed = string;

/** A cluster of three nodes behind their APIs, with pg01 as its primary and pg02 as sync standby. */
export class FakeCluster {
  readonly deeds: Deed[] = [];
  readonly log = new FakeLog();
  readonly routes = new FakeRoutes();
  readonly paused = new Set<string>();
  readonly names = ['pg01', 'pg02', 'pg03'] as const;
  primary = 'pg01';
  /** A part of a node that its health check finds ill. */
  readonly illness = new Map<string, PartHealth>();
  constraint = false;
  locked = false;
  readonly lockLost = new AbortController();
  /** Makes one kind of deed fail or hang: keyed by the deed's first words. */
  readonly faults = new Map<string, (signal: AbortSignal) => Promise<void>>();
  /** What the move does after it was accepted; by default it succeeds at once. */
  onMove = (): void => this.promote('pg02');

  constructor() {
    this.routes.put(this.addressOf('pg01'));
  }

  addressOf(name: string): Address {
    return parseAddress(`10.77.0.1${name.slice(-1)}`);
  }

  promote(name: string): void {
    this.primary = name;
    this.routes.put(this.addressOf(name));
  }

  context(options: Partial<SwitchoverContext['options']> = {}): SwitchoverContext {
    return {
      options: {
        healthCheckTimeout: 1_000,
        lockTimeout: 200,
        pauseTimeout: 1_000,
        pauseExpiry: 5_000,
        resumeTimeout: 1_000,
        pacemakerTimeout: 1_000,
        promoteTimeout: 1_000,
        etcdTimeout: 1_000,
        ...options,
      },
      apis: this.names.map((name) => this.#api(name)),
      lock: this.#lock(),
      holder: { id: 'test', host: 'client', pid: 1, since: '2026-01-01T00:00:00Z' },
      routes: this.routes,
      log: this.log,
      nodes: [],
      held: undefined,
      from: undefined,
      pauseRequested: false,
      move: { kind: 'not-begun' },
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
      pause: async (_order: PauseOrder, _mandate, signal) => {
        await act(`pause ${name}`, signal);
        this.paused.add(name);
      },
      resume: async (target, _timeout, _mandate, signal) => {
        await act(`resume ${name} ${target ?? 'anywhere'}`, signal);
        this.paused.delete(name);
      },
      migrate: async (_member, _mandate, timeout, signal): Promise<Located> => {
        await within(`migrate via ${name}`, timeout, signal);
        this.constraint = true;
        setImmediate(this.onMove);
        return { name: 'pg02', address: this.addressOf('pg02') };
      },
      unmigrate: async (_mandate, timeout, signal) => {
        await within(`unmigrate via ${name}`, timeout, signal);
        this.constraint = false;
      },
      probe: async (_timeout, signal): Promise<Probe> => {
        await act(`probe ${name}`, signal);
        return { inRecovery: this.primary !== name, timeline: 2, takesWrites: this.primary === name };
      },
      inspect: () => Promise.reject(new PgcmError('unsupported', 'inspect')),
      checkpoint: () => Promise.reject(new PgcmError('unsupported', 'checkpoint')),
      terminate: () => Promise.reject(new PgcmError('unsupported', 'terminate')),
      rejoin: () => Promise.reject(new PgcmError('unsupported', 'rejoin')),
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
