/** Runs in the client host: some proxies with simulated PgBouncers. Usage: proxies-main.js CONFIG (ProxiesConfig as JSON) */
import { setMaxListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../../src/domain/log.js';
import { createEtcd } from '../../src/etcd/client.js';
import { EtcdProxyRegistry } from '../../src/etcd/proxy-registry.js';
import { createLog } from '../../src/telemetry/log.js';
import { machineClock } from '../clock.js';
import type { ProxiesConfig } from '../records.js';
import { Emitter, stopSignal } from './emit.js';
import { etcdOptions, followed, SimulatedProxy } from './simulated-proxy.js';

/** All of them at once would keep each other waiting for longer than they wait for etcd. */
const atOnce = 10;

const config = JSON.parse(process.argv[2] ?? '') as ProxiesConfig;
const stop = stopSignal(config.seconds);
const emitter = new Emitter();
const folder = await mkdtemp(join(tmpdir(), 'pgcm-proxies-'));
const log = complaintsOf('');
const etcd = createEtcd(etcdOptions(config, ''), log);
const registry = new EtcdProxyRegistry(etcd, followed, log);
// Each of the proxies listens to the end of all.
setMaxListeners(0, stop);
try {
  const names = Array.from(
    { length: config.end - config.first },
    (_, index) => `sim${String(config.first + index + 1).padStart(3, '0')}`,
  );
  const running: Promise<void>[] = [];
  for (let begin = 0; begin < names.length && !stop.aborted; begin += atOnce) {
    const some = names.slice(begin, begin + atOnce);
    running.push(...some.map((name) => run(name)));
    await untilRegistered(some);
  }
  emitter.emit({ kind: 'started', at: machineClock() });
  await Promise.all(running);
  // Nobody shall look for them later.
  for (const name of names) await registry.forget(name, new AbortController().signal);
} finally {
  etcd.close();
  await rm(folder, { recursive: true, force: true });
}
emitter.emit({ kind: 'ended', at: machineClock() });
emitter.end();

async function run(name: string): Promise<void> {
  try {
    const proxy = await SimulatedProxy.open(name, join(folder, name), config, complaintsOf(name));
    await proxy.run(stop);
  } catch (error) {
    complain(name, String(error));
  }
}

/** And lead to a route. Returns also when it was told to stop before. */
async function untilRegistered(names: readonly string[]): Promise<void> {
  const found = new AbortController();
  const end = AbortSignal.any([stop, found.signal]);
  await registry.follow(({ proxies }) => {
    const ready = new Set(proxies.filter(({ route }) => route !== undefined).map(({ id }) => id));
    if (names.every((name) => ready.has(name))) found.abort();
  }, end);
}

/** Their logs, warnings and errors only: what all of them say at a switchover would be load of its own. */
function complaintsOf(proxy: string): Log {
  const log = createLog({ format: 'json', write: (line) => complain(proxy, line.trim()) });
  return withoutInfo(log);
}

function withoutInfo(log: Log): Log {
  return {
    info: () => undefined,
    warn: (...what) => log.warn(...what),
    error: (...what) => log.error(...what),
    with: (fields) => withoutInfo(log.with(fields)),
  };
}

function complain(proxy: string, text: string): void {
  emitter.emit({ kind: 'complaint', at: machineClock(), proxy, text });
}
