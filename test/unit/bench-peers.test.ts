import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { firstWritable, type Session } from '../../bench/inside/multi-host.js';
import { untilNothingMissing } from '../../bench/cluster.js';
import { multiHost } from '../../bench/peers/contender.js';
import { contenders } from '../../bench/peers/contenders.js';
import type { Observation } from '../../bench/peers/observe.js';
import { peerRun, summarisePeer, type PeerRun } from '../../bench/peers/peer-figures.js';
import { table } from '../../bench/peers/table.js';
import type { Ack, Failure } from '../../bench/records.js';
import type { HostStatus } from '../../playground/protocol.js';

const pg = (number: number): HostStatus => ({
  ...{ name: `pg0${number}`, kind: 'postgres', address: `10.77.0.1${number}` },
  ...{ power: 'on', fenced: false, started: true, cable: 'plugged', since: '' },
});

function ack(client: number, id: number, sent: number, done: number): Ack {
  return { kind: 'ack', client, id, sent, done };
}

function failure(client: number, id: number, done: number): Failure {
  return { kind: 'failure', client, during: 'statement', id, sent: 1_000, done, message: 'gone' };
}

/** Two clients; the primary is moved at 1,000 and takes writes again at 3,000. */
const observation: Observation = {
  ...{ from: pg(1), to: pg(2), struck: 1_000, window: { from: 0, to: 4_000 } },
  targets: [{ name: 'app01', host: '10.77.0.101', port: 5000, clients: 2 }],
  acks: [ack(0, 1, 490, 500), ack(1, 2, 980, 990), ack(0, 3, 2_900, 3_000), ack(1, 7, 3_400, 3_500)],
  failures: [failure(0, 4, 1_200), failure(1, 5, 1_300), failure(1, 6, 1_400)],
  present: new Set([1, 2, 5, 7]),
};

describe('what the clients of a contender saw', () => {
  it('is counted over all of them, and of the one that had most errors', () => {
    assert.deepEqual(peerRun(observation), {
      ...{ stall: 2_010, maxWait: 100, errors: 3, errorsPerClient: 2 },
      ...{ lost: 1, doubt: 1, rate: 1 },
    });
  });

  it('has errors for each run, and over all runs what was lost', () => {
    const run = peerRun(observation);
    const runs: PeerRun[] = [
      run,
      { ...run, errors: 0, errorsPerClient: 0 },
      { ...run, stall: 900, errors: 7 },
    ];
    const figures = summarisePeer(runs);
    assert.deepEqual(figures.stall_ms, { min: 900, median: 2_010, max: 2_010 });
    assert.deepEqual(figures.errors, { min: 0, median: 3, max: 7 });
    assert.deepEqual([figures.errors_per_client_max, figures.lost, figures.doubt], [2, 3, 3]);
  });
});

describe('the table of the contenders', () => {
  it('has medians, and ranges where runs differ', () => {
    const run = peerRun(observation);
    const figures = summarisePeer([run, { ...run, stall: 330, errors: 0 }]);
    assert.deepEqual(table('switchover', [{ title: 'one', figures }]), [
      '| planned switchover | no write for | slowest write | errors | most for one client | lost | in doubt |',
      '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
      '| one | 1.17 s (0.33–2.01) | 0.10 s | 2 (0–3) | 2 | 2 | 2 |',
    ]);
  });

  it('has a row for each way, under a key of its own', () => {
    const keys = contenders.flatMap(({ ways }) => ways.map(({ key }) => key));
    assert.equal(new Set(keys).size, keys.length);
  });
});

/** Hosts by name: writable, a standby, or not there. */
class Hosts {
  readonly opened: string[] = [];
  readonly closed: string[] = [];

  constructor(private readonly states: Readonly<Record<string, 'off' | 'on' | 'gone' | 'breaks'>>) {}

  readonly open = (host: string): Promise<Session & { readonly host: string }> => {
    this.opened.push(host);
    const state = this.states[host];
    if (state === 'gone') return Promise.reject(new Error(`${host} is gone`));
    return Promise.resolve({
      host,
      query: () =>
        state === 'breaks'
          ? Promise.reject(new Error(`${host} broke`))
          : Promise.resolve({ rows: [{ transaction_read_only: state }] }),
      end: () => {
        this.closed.push(host);
        return Promise.resolve();
      },
    });
  };
}

describe('a client that chooses its host', () => {
  it('takes the first that takes writes, and gives up the others', async () => {
    const hosts = new Hosts({ a: 'gone', b: 'on', c: 'breaks', d: 'off', e: 'off' });
    const { host } = await firstWritable(['a', 'b', 'c', 'd', 'e'], hosts.open);
    assert.equal(host, 'd');
    assert.deepEqual(hosts.opened, ['a', 'b', 'c', 'd']);
    assert.deepEqual(hosts.closed, ['b', 'c']);
  });

  it('fails with what the last one came to', async () => {
    const standbys = new Hosts({ a: 'gone', b: 'on' });
    await assert.rejects(firstWritable(['a', 'b'], standbys.open), /session is read-only: b/);
    await assert.rejects(firstWritable(['b', 'a'], standbys.open), /a is gone/);
  });

  it('knows all nodes in their order', () => {
    assert.deepEqual(multiHost([pg(1), pg(2), pg(3)], 9), [
      {
        ...{ name: 'pg01,pg02,pg03', host: '10.77.0.11', port: 5432, clients: 9 },
        others: ['10.77.0.12', '10.77.0.13'],
      },
    ]);
  });
});

describe('waiting for a contender', () => {
  it('ends when nothing is missing, whatever went wrong before', async () => {
    const answers = [() => Promise.reject(new Error('no answer')), () => Promise.resolve(undefined)];
    let looks = 0;
    const look = (): Promise<string | undefined> => answers[looks++]?.() ?? Promise.resolve('too late');
    await untilNothingMissing(look, 5_000, new AbortController().signal);
    assert.equal(looks, 2);
  });

  it('says what was missing in the end', async () => {
    const look = (): Promise<string> => Promise.resolve('a primary');
    await assert.rejects(
      untilNothingMissing(look, 0, new AbortController().signal),
      /after 0 s still waiting for a primary/,
    );
  });
});
