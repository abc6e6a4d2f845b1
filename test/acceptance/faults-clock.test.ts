import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { machineClock } from '../../bench/clock.js';
import { hadSwitchover } from '../../bench/earlier-switchover.js';
import { HeldRun } from '../faults/held-run.js';
import { Load } from '../faults/load.js';
import { eventually } from '../support/eventually.js';
import { Cluster } from './cluster.js';

// The wall clock of the proxy and of the command jumps by hours, forward and back: what they count is
// counted on the monotonic clock, so nothing ends early or late.

const offsetFile = '/run/wall-clock-offset';
const jumping = [
  'env',
  'LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  `FAKETIME_TIMESTAMP_FILE=${offsetFile}`,
  'FAKETIME_NO_CACHE=1',
  'FAKETIME_DONT_FAKE_MONOTONIC=1',
];

describe('while the wall clock jumps', () => {
  let cluster: Cluster;
  let proxy: ChildProcess | undefined;
  let load: Load | undefined;
  let tables = 0;
  before(async () => {
    cluster = await Cluster.up('t-faults-clock');
    await hadSwitchover(cluster.playground);
    await jump('+0');
    await cluster.service('app01', 'stop', 'pgcm-proxy');
    proxy = await cluster.playground.spawn(
      'app01',
      [...jumping, 'pgcm', 'proxy', '--config-file', '/etc/pgcm/config.toml'],
      { stdio: ['ignore', 'ignore', 'ignore'] },
    );
    await eventually(async () => (await registered()).includes('app01'), {
      limit: 30_000,
      every: 200,
      what: 'the proxy with the jumping clock is registered',
    });
  });
  after(async () => {
    proxy?.kill('SIGKILL');
    await cluster.down();
  });

  beforeEach(async () => {
    await jump('+0');
    await cluster.heal();
    tables += 1;
    load = await Load.start(cluster, `clock_${tables}`);
  });
  afterEach(() => load?.kill());

  /** The same offset for both hosts. */
  async function jump(offset: string): Promise<void> {
    for (const host of ['app01', 'client01']) {
      await cluster.output(
        host,
        'sh',
        '-c',
        `echo '${offset}' >${offsetFile}.new && mv ${offsetFile}.new ${offsetFile}`,
      );
    }
  }

  async function registered(): Promise<string> {
    return cluster.etcdctl('get', '--prefix', '--print-value-only', '/pgcm/proxies/');
  }

  function answeredSince(at: number, bouncer: string): boolean {
    return load?.acks(bouncer).some(({ done }) => done > at) === true;
  }

  it('the processes under test see the jumps, and their monotonic clock does not', async () => {
    const script = 'console.log(Date.now(), Math.round(Number(process.hrtime.bigint()) / 1e6))';
    const read = async (): Promise<readonly number[]> =>
      (await cluster.output('client01', ...jumping, 'node', '-e', script)).split(' ').map(Number);
    const [wall = 0, steady = 0] = await read();
    await jump('+6h');
    const [later = 0, steadyLater = 0] = await read();
    assert.ok(later - wall > 5 * 3_600_000, 'the wall clock did not jump');
    assert.ok(steadyLater - steady < 60_000, 'the monotonic clock jumped, too');
  });

  it('a switchover is done, its pause and its lock lasting through the jumps', async () => {
    const held = await HeldRun.at(cluster, 'pause', 'end', { through: jumping });
    const pausedAt = machineClock();
    // Longer than the lock's lease, so that it has to be renewed in each of the two worlds.
    await jump('+6h');
    await delay(6_000);
    await jump('-6h');
    await delay(6_000);
    for (const bouncer of cluster.bouncers) {
      assert.equal(answeredSince(pausedAt + 500, bouncer), false, `${bouncer} ran before the pause was over`);
    }
    await held.release();
    assert.equal(await held.run.status(), 0, held.run.text);
    await load?.untilAllRun(10_000);
    assert.deepEqual(load?.failures(), []);
    await cluster.assertCalm();
  });

  for (const offset of ['+6h', '-6h']) {
    it(`a pause that nobody ends is over at its expiry after a jump of ${offset}`, async () => {
      const expiryMs = 12_000;
      const held = await HeldRun.at(cluster, 'pause', 'end', {
        through: jumping,
        args: ['--pause-expiry', '12s', '--force'],
      });
      const pausedAt = machineClock();
      const began = held.run.lines.find(({ event, step }) => event === 'step.start' && step === 'pause');
      await jump(offset);
      await eventually(() => answeredSince(pausedAt + 500, 'app01'), {
        limit: 3 * expiryMs,
        every: 50,
        what: "app01's clients run again",
      });
      const after = machineClock() - (began?.received ?? 0);
      assert.ok(after >= expiryMs - 500, `they ran after ${after} ms, before the expiry`);
      assert.ok(after <= expiryMs + 5_000, `they ran after ${after} ms, long after the expiry`);
      await held.release();
      const status = await held.run.status();
      assert.ok(status === 4 || status === 0, held.run.text);
      assert.deepEqual(load?.failures(), []);
    });
  }
});
