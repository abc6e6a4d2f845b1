import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import { PgcmError } from '../../src/domain/errors.js';
import type { Move, Pausing } from '../../src/failover/context.js';
import { outcomeOf } from '../../src/failover/outcome.js';
import type { PipelineResult } from '../../src/failover/pipeline.js';

const address = parseAddress('10.77.0.12');
const target = { name: 'pg02', address };
const route = { address, revision: 9n };
const pausing: Pausing = {
  since: 0,
  from: { address: parseAddress('10.77.0.11'), revision: 1n },
  byRpc: [],
  proxies: new Set(),
  until: undefined,
};
const left = [{ name: 'rejoin', error: new PgcmError('refused', 'it has diverged; run: pg_rewind') }];
const failure = (step: string, code: 'refused' | 'timed-out' | 'lock-held' = 'timed-out') => ({
  step,
  error: new PgcmError(code, 'why'),
});
const moves = {
  no: { kind: 'not-begun' },
  half: { kind: 'accepted', target },
  done: { kind: 'done', target, route },
} as const satisfies Readonly<Record<string, Move>>;
const interrupt = { name: 'SIGTERM', status: 143 };

interface Case {
  readonly what: string;
  readonly result: Partial<PipelineResult>;
  readonly move: Move;
  readonly paused?: boolean;
  readonly writable?: string;
  readonly interrupted?: boolean;
  readonly status: number;
  readonly says: RegExp;
}

const cases: readonly Case[] = [
  { what: 'done', result: {}, move: moves.done, status: 0, says: /primary is pg02/ },
  {
    what: 'done, interrupted on the way',
    result: {},
    move: moves.done,
    interrupted: true,
    status: 0,
    says: /pg02/,
  },
  {
    what: 'a clean-up is left',
    result: { cleanupFailures: left },
    move: moves.done,
    status: 6,
    says: /rejoin: .*pg_rewind/,
  },
  {
    what: 'refused by the check',
    result: { failure: failure('check', 'refused') },
    move: moves.no,
    status: 3,
    says: /^check: why$/,
  },
  {
    what: 'another run holds the lock',
    result: { failure: failure('lock', 'lock-held') },
    move: moves.no,
    status: 3,
    says: /^lock/,
  },
  {
    what: 'etcd is away',
    result: { failure: failure('lock') },
    move: moves.no,
    status: 4,
    says: /nothing was touched/,
  },
  {
    what: 'refused in the pause',
    result: { failure: failure('pause', 'refused') },
    move: moves.no,
    status: 4,
    says: /nothing was touched/,
  },
  {
    what: 'the pause failed',
    result: { failure: failure('pause') },
    move: moves.no,
    paused: true,
    status: 4,
    says: /rolled back: clients run on the old primary/,
  },
  {
    what: 'interrupted',
    result: { failure: failure('pause') },
    move: moves.no,
    interrupted: true,
    status: 143,
    says: /SIGTERM: nothing was touched, nothing was moved/,
  },
  {
    what: 'rolled back, but not all of it',
    result: { failure: failure('pause'), cleanupFailures: left },
    move: moves.no,
    paused: true,
    status: 6,
    says: /nothing was moved, but a clean-up is left/,
  },
  {
    what: 'half a move',
    result: { failure: failure('migrate') },
    move: moves.half,
    paused: true,
    writable: 'pg01',
    status: 5,
    says: /not seen done: .*pg01 takes writes now/,
  },
  {
    what: 'half a move, and nobody tells',
    result: { failure: failure('migrate') },
    move: moves.half,
    paused: true,
    status: 5,
    says: /could not be told/,
  },
];

describe('the outcome and exit status of a failover', () => {
  for (const { what, result, move, paused, writable, interrupted, status, says } of cases) {
    it(what, () => {
      const outcome = outcomeOf(
        { failure: undefined, cleanupFailures: [], steps: [], ...result },
        { move, plan: undefined, writable, pausing: paused ? pausing : undefined },
        interrupted ? interrupt : undefined,
      );
      assert.equal(outcome.status, status, outcome.message);
      assert.match(outcome.message, says);
    });
  }
});
