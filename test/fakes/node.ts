import { parseAddress } from '../../src/domain/address.js';
import type { Located } from '../../src/domain/cluster.js';
import { describeError, type PgcmError } from '../../src/domain/errors.js';
import type { NodeInspection } from '../../src/domain/inspection.js';
import type { Mandate } from '../../src/domain/mandate.js';
import type {
  NodeHealth,
  NodeService,
  PauseOrder,
  Probe,
  RejoinOrder,
  RejoinOutcome,
  Terminated,
  TerminateOrder,
} from '../../src/domain/node-api.js';
import { untilAborted } from '../../src/runtime/deadline.js';
import { healthyTopology } from './manager.js';

export const mandate: Mandate = {
  switchover: '3f0c9b1e-7a52-4a53-9d0e-1c2b3a4d5e6f',
  // Above 2^53: a number would round it.
  lockRevision: 9_007_199_254_740_993n,
};

/** Of a primary, with something in every field. */
export function inspection(): NodeInspection {
  return {
    node: 'pg01',
    proxy: 'pg01-proxy',
    manager: {
      topology: healthyTopology(),
      obstacles: [{ kind: 'ban', text: 'cli-ban-x on pg02', wayOut: 'crm_resource --clear' }],
      moves: [mandate.switchover],
    },
    postgres: {
      systemIdentifier: '18446744073709551615',
      inRecovery: false,
      timeline: 7,
      receiving: false,
      senders: [
        {
          name: 'pg02',
          address: '10.77.0.12',
          state: 'streaming',
          syncState: 'sync',
          lag: 0,
          stale: undefined,
        },
        {
          name: 'backup',
          address: undefined,
          state: 'backup',
          syncState: 'async',
          lag: undefined,
          stale: 'no reply for 40s',
        },
      ],
      transactions: [
        {
          pid: 4711,
          user: 'app',
          database: 'shop',
          application: 'psql',
          address: '',
          age: 61_000,
          state: 'idle in transaction',
          query: 'SELECT 1',
        },
      ],
    },
    bouncers: [
      { name: '/run/a', error: '', sessionPooled: ['shop'], queryWaitTimeout: 0 },
      { name: '/run/b', error: 'nothing listens there', sessionPooled: [], queryWaitTimeout: undefined },
      { name: '/run/c', error: '', sessionPooled: [], queryWaitTimeout: 120_000 },
    ],
    problems: ['etcd: no answer'],
  };
}

/** A node behind the failover API that keeps what it was asked for. */
export class FakeNode implements NodeService {
  /** What acts, each with its arguments. */
  readonly calls: unknown[][] = [];
  readonly ended: readonly Terminated[] = [{ pid: 4711, user: 'app', age: 61_000 }];
  found: NodeInspection = inspection();
  rejoined: RejoinOutcome = { kind: 'streaming', already: false };
  /** Makes every act fail. */
  failure: PgcmError | undefined;
  /** Its parts do not answer a health check. */
  hangs = false;

  async healthCheck(signal?: AbortSignal): Promise<NodeHealth> {
    let message = 'etcd: no answer';
    if (this.hangs && signal !== undefined) {
      await untilAborted(signal);
      message = describeError(signal.reason);
    }
    return { healthy: false, node: 'pg01', parts: [{ part: 'etcd', healthy: false, message }] };
  }

  inspect(): Promise<NodeInspection> {
    return Promise.resolve(this.found);
  }

  /** What probes were to wait for a promotion. */
  readonly waits: number[] = [];

  probe(wait: number): Promise<Probe> {
    this.waits.push(wait);
    return Promise.resolve({ inRecovery: false, timeline: 3, takesWrites: true });
  }

  pause(order: PauseOrder, on: Mandate | undefined): Promise<void> {
    return this.#act(undefined, 'pause', order, on);
  }

  resume(target: string | undefined, timeout: number, on: Mandate | undefined): Promise<void> {
    return this.#act(undefined, 'resume', target, timeout, on);
  }

  migrate(member: string | undefined, on: Mandate | undefined): Promise<Located> {
    return this.#act({ name: 'pg02', address: parseAddress('10.77.0.12') }, 'migrate', member, on);
  }

  unmigrate(on: Mandate | undefined): Promise<void> {
    return this.#act(undefined, 'unmigrate', on);
  }

  checkpoint(on: Mandate): Promise<void> {
    return this.#act(undefined, 'checkpoint', on);
  }

  terminate(order: TerminateOrder, on: Mandate): Promise<readonly Terminated[]> {
    return this.#act(this.ended, 'terminate', order, on);
  }

  rejoin(order: RejoinOrder, on: Mandate): Promise<RejoinOutcome> {
    return this.#act(this.rejoined, 'rejoin', order, on);
  }

  #act<T>(answer: T, ...call: unknown[]): Promise<T> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.calls.push(call);
    return Promise.resolve(answer);
  }
}
