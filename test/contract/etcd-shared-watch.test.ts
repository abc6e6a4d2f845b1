import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { readMetrics, total } from '../../bench/etcd-metrics.js';
import type { Etcd } from '../../src/etcd/client.js';
import { follow } from '../../src/etcd/watch.js';
import { FakeLog } from '../fakes/log.js';
import { eventually } from '../support/eventually.js';
import { EtcdServers } from './etcd-server.js';
import { closeClients, connect, forever } from './etcd-support.js';

const options = { pollInterval: 60_000, getTimeout: 3_000, log: new FakeLog() };

/** The values that were reported under one key. */
class Followed {
  readonly values: string[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(etcd: Etcd, key: string) {
    const onState = ({ kvs }: { kvs: readonly { value: Buffer }[] }): void => {
      this.values.push(kvs[0]?.value.toString() ?? '');
    };
    this.#running = follow(etcd, { ...options, range: { key } }, onState, this.#stop.signal);
    this.#running.catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

describe('the watches of one client', () => {
  let servers: EtcdServers;
  before(async () => (servers = await EtcdServers.start()));
  after(() => servers.stop());
  afterEach(closeClients);

  const open = async (): Promise<{ streams: number; watchers: number }> => {
    const metrics = await Promise.all(servers.endpoints.map(readMetrics));
    return {
      streams: total(metrics, 'etcd_debugging_mvcc_watch_stream_total'),
      watchers: total(metrics, 'etcd_debugging_mvcc_watcher_total'),
    };
  };
  const have = (streams: number, watchers: number): Promise<void> =>
    eventually(async () => {
      const now = await open();
      return now.streams === streams && now.watchers === watchers;
    });

  it('are on one stream, are told of their own keys only, and leave it one by one', async () => {
    const etcd = connect(servers);
    const writer = connect(servers);
    const follows = ['/a', '/b', '/c'].map((key) => new Followed(etcd, key));
    const [a, b, c] = follows as [Followed, Followed, Followed];
    await have(1, 3);
    await writer.put('/a', '1', forever);
    await writer.put('/b', '2', forever);
    await eventually(() => a.values.at(-1) === '1' && b.values.at(-1) === '2');
    await a.stop();
    await have(1, 2);
    await writer.put('/a', '3', forever);
    await writer.put('/c', '4', forever);
    await eventually(() => c.values.at(-1) === '4');
    assert.deepEqual(
      [a.values, b.values, c.values],
      [
        ['', '1'],
        ['', '2'],
        ['', '4'],
      ],
    );
    await b.stop();
    await c.stop();
    await have(0, 0);
  });

  it('are preceded by one read of all that they are about', async () => {
    const calls = async (method: string): Promise<number> =>
      total(
        await Promise.all(servers.endpoints.map(readMetrics)),
        'grpc_server_handled_total',
        `grpc_method="${method}"`,
      );
    const before = [await calls('Range'), await calls('Txn')];
    const etcd = connect(servers);
    const follows = ['/g', '/h', '/i'].map((key) => new Followed(etcd, key));
    await eventually(() => follows.every(({ values }) => values.length === 1));
    assert.deepEqual([await calls('Range'), await calls('Txn')], [before[0], (before[1] ?? 0) + 1]);
    for (const one of follows) await one.stop();
  });

  it('begin anew on a stream of their own after all of them have ended', async () => {
    const etcd = connect(servers);
    await new Followed(etcd, '/a').stop();
    await have(0, 0);
    const again = new Followed(etcd, '/d');
    await have(1, 1);
    await connect(servers).put('/d', '5', forever);
    await eventually(() => again.values.at(-1) === '5');
    await again.stop();
  });

  it('all go on after the stream broke', async () => {
    const etcd = connect(servers);
    const follows = ['/e', '/f'].map((key) => new Followed(etcd, key));
    await have(1, 2);
    await servers.killAll();
    await servers.startAll();
    await have(1, 2);
    const writer = connect(servers);
    await writer.put('/e', '6', forever);
    await writer.put('/f', '7', forever);
    await eventually(() => follows[0]?.values.at(-1) === '6' && follows[1]?.values.at(-1) === '7');
  });
});
