import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { runCleanup } from '../../src/cleanup/cleanup.js';
import type { CleanupContext, CleanupLine } from '../../src/cleanup/context.js';
import { describeError, PgcmError } from '../../src/domain/errors.js';
import type { Mandate } from '../../src/domain/mandate.js';
import type { NodeApi } from '../../src/domain/node-api.js';
import { FakeLock } from '../fakes/lock.js';
import { healthyTopology } from '../fakes/manager.js';
import { FakePauseRequests } from '../fakes/pause-requests.js';
import { FakeProxyRegistry, proxyOf } from '../fakes/proxies.js';

const never = new AbortController().signal;
const DEAD = 'dead-run';
const holder = { id: DEAD, host: 'ops01', pid: 4711, since: '2026-01-01T00:00:00Z' };
const request = { id: DEAD, phase: 'pause', release: undefined, duration: 25_000, timeout: 5_000 } as const;

let lock: FakeLock;
let requests: FakePauseRequests;
let proxies: FakeProxyRegistry;
let lines: CleanupLine[];
/** The nodes: who is paused, whose moves are asked for, who does not answer. */
let paused: Set<string>;
let moves: string[];
let away: Set<string>;
/** Moves are taken back, say the nodes, and are not. */
let deaf: boolean;

beforeEach(() => {
  lock = new FakeLock();
  requests = new FakePauseRequests(lock);
  // As in etcd: a dead run's request is there until its lease has ended, also without the lock's key.
  lock.onEnd = () => undefined;
  proxies = new FakeProxyRegistry();
  lines = [];
  paused = new Set();
  moves = [];
  away = new Set();
  deaf = false;
  // Proxies obey the request.
  void requests.follow((current) => {
    if (current?.phase !== 'abort') return;
    void proxies.list().then((listing) => {
      for (const proxy of listing.proxies.filter(({ id }) => !away.has(id))) {
        if (proxy.pause.kind === 'paused' && proxy.pause.request === current.id) {
          proxies.put({ ...proxy, pause: { kind: 'running' } });
        }
      }
    });
  }, never);
});

function api(name: string): NodeApi {
  const unsupported = (): Promise<never> =>
    Promise.reject(new PgcmError('unsupported', 'not for a clean-up'));
  const act = async (mandate: Mandate | undefined, work: () => void): Promise<void> => {
    if (away.has(name)) throw new PgcmError('unavailable', 'connection refused');
    await lock.verify(mandate);
    work();
  };
  return {
    endpoint: `${name}:8080`,
    inspect: () => {
      if (away.has(name)) return Promise.reject(new PgcmError('unavailable', 'connection refused'));
      const manager = { topology: healthyTopology(), obstacles: [], moves: [...moves] };
      return Promise.resolve({
        node: name,
        proxy: '',
        manager,
        postgres: undefined,
        bouncers: [],
        problems: [],
      });
    },
    resume: (target, _timeout, mandate) => {
      assert.equal(target, undefined, 'clients go on wherever they are led');
      return act(mandate, () => void paused.delete(name));
    },
    unmigrate: (mandate) =>
      act(mandate, () => {
        if (!deaf) moves = moves.filter((id) => id !== mandate?.switchover);
      }),
    healthCheck: unsupported,
    pause: unsupported,
    migrate: unsupported,
    probe: unsupported,
    checkpoint: unsupported,
    terminate: unsupported,
    rejoin: unsupported,
    close: () => undefined,
  };
}

function clean(forgetProxy = '', signal = never): Promise<readonly string[]> {
  const context: CleanupContext = {
    options: {
      lockTimeout: 200,
      resumeTimeout: 200,
      pacemakerTimeout: 200,
      inspectTimeout: 200,
      forgetProxy,
    },
    apis: ['pg01', 'pg02', 'pg03'].map(api),
    view: lock,
    lock,
    self: { id: 'cleaner', host: 'ops02', pid: 1, since: '2026-01-02T00:00:00Z' },
    requests,
    proxies,
    say: (line) => void lines.push(line),
  };
  return runCleanup(context, signal);
}

const said = (kind: CleanupLine['kind']): readonly string[] =>
  lines.filter((line) => line.kind === kind).map(({ text }) => text);

/** A run died after it had asked for everything. */
function runDied(): void {
  lock.take(holder, false);
  requests.put(request);
  for (const id of ['app01', 'pg01']) proxies.put(proxyOf(id, { pause: { kind: 'paused', request: DEAD } }));
  for (const name of ['pg02', 'pg03']) paused.add(name);
  moves = [DEAD];
}

async function assertClean(): Promise<void> {
  assert.equal(await lock.owner(), undefined, 'the lock');
  assert.equal(requests.current, undefined, 'the request');
  assert.deepEqual([...paused], [], 'paused nodes');
  assert.deepEqual(moves, [], 'moves');
  const states = (await proxies.list()).proxies.map(({ pause }) => pause.kind);
  assert.ok(
    states.every((kind) => kind === 'running'),
    states.join(),
  );
}

describe('cleanup', () => {
  it('takes back all that a dead run has left, and says so', async () => {
    runDied();
    assert.deepEqual(await clean(), []);
    await assertClean();
    assert.deepEqual(said('left'), []);
    const text = said('done').join('\n');
    assert.match(text, /^the failover lock of switchover dead-run \(on ops01, pid 4711, since 2026-01-01/);
    assert.match(text, /^proxy app01: its clients were paused for switchover dead-run and go on$/m);
    assert.match(text, /^the pause request of switchover dead-run \(phase pause\): removed$/m);
    assert.match(text, /^pg03:8080: no pause is left/m);
    assert.match(text, /^the move that switchover dead-run asked .* taken back$/m);
  });

  it('does nothing the second time', async () => {
    runDied();
    await clean();
    lines = [];
    assert.deepEqual(await clean(), []);
    await assertClean();
    assert.deepEqual(
      said('done').filter((text) => !text.includes('no pause is left')),
      [],
    );
  });

  it('refuses while a run is alive, names it, and touches nothing', async () => {
    runDied();
    lock.take(holder, true);
    requests.put(request);
    await assert.rejects(clean(), (error: PgcmError) => {
      assert.equal(error.code, 'refused');
      assert.match(error.message, /switchover dead-run \(on ops01, pid 4711, .*nothing was touched/);
      return true;
    });
    assert.deepEqual([[...paused], moves, requests.current], [['pg02', 'pg03'], [DEAD], request]);
    assert.equal((await lock.owner())?.holder?.id, DEAD);
  });

  it('refuses also the lock of a living run that left no name', async () => {
    lock.take(undefined, true);
    await assert.rejects(clean(), /left no name, as pgsql-cluster-manager/);
  });

  it('refuses when a run begins meanwhile', async () => {
    runDied();
    const acquire = lock.acquire.bind(lock);
    lock.acquire = (wanted) => {
      lock.take({ ...holder, id: 'next-run' });
      return acquire(wanted);
    };
    await assert.rejects(clean(), (error) => /has begun meanwhile.*next-run/.test(describeError(error)));
    assert.equal((await lock.owner())?.holder?.id, 'next-run');
    assert.deepEqual(moves, [DEAD]);
  });

  it('takes back what is left of several runs, each in its own name', async () => {
    moves = ['run-1', 'run-2'];
    proxies.put(proxyOf('app01', { pause: { kind: 'paused', request: 'run-3' } }));
    assert.deepEqual(await clean(), []);
    await assertClean();
  });

  it('says which node could not be reached, goes on with the others, and gives the lock back', async () => {
    runDied();
    away.add('pg03');
    const left = await clean();
    assert.equal(left.length, 1);
    assert.match(left[0] ?? '', /^pg03:8080: could not be told to resume.*pause-expiry.*connection refused/);
    assert.deepEqual([[...paused], moves, await lock.owner()], [['pg03'], [], undefined]);
  });

  it('takes back a move through any node that answers, and says when none does', async () => {
    runDied();
    away.add('pg01');
    await clean();
    assert.deepEqual(moves, []);
    runDied();
    for (const name of ['pg01', 'pg02', 'pg03']) away.add(name);
    const left = (await clean()).join('\n');
    assert.match(left, /no node could say whether a move is still asked for: pg01:8080: connection refused/);
    assert.equal(await lock.owner(), undefined);
    assert.equal(requests.current, undefined, 'what is in etcd is taken back all the same');
  });

  it('names a proxy that goes on holding its clients', async () => {
    runDied();
    away.add('app01');
    const left = await clean();
    assert.equal(left.length, 1);
    assert.match(left[0] ?? '', /^proxy app01 has not let its clients go on within 200ms/);
    assert.equal(requests.current, undefined);
  });

  it('gives the lock back when it is interrupted', async () => {
    runDied();
    away.add('app01');
    const stop = new AbortController();
    setTimeout(() => stop.abort(new PgcmError('aborted', 'interrupted by SIGINT')), 50);
    await assert.rejects(clean('', stop.signal), /SIGINT/);
    assert.equal(await lock.owner(), undefined);
  });

  it('says what came back although it seemed done', async () => {
    runDied();
    deaf = true;
    const left = await clean();
    assert.deepEqual(left, ['a move of switchover dead-run is still asked for']);
  });
});

describe('cleanup --forget-proxy', () => {
  it('forgets one that vanished', async () => {
    proxies.see({ id: 'app09', host: 'app09' });
    assert.deepEqual(await clean('app09'), []);
    assert.deepEqual(await proxies.seen(), []);
    assert.ok(said('done').includes('proxy app09: forgotten'));
  });

  it('does not forget one that is there', async () => {
    proxies.put(proxyOf('app01'));
    assert.match((await clean('app01')).join(), /^proxy app01 is registered, so it is not forgotten/);
    assert.equal((await proxies.seen()).length, 1);
  });

  it('says that it never knew one, and which it knows', async () => {
    proxies.put(proxyOf('app01'));
    assert.deepEqual(await clean('ap01'), []);
    assert.match(said('note').join(), /^proxy ap01: no proxy of this id was ever here \(known: app01\)$/);
  });
});
