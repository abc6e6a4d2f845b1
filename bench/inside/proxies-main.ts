/** Runs in the client host: some proxies with simulated PgBouncers. Usage: proxies-main.js CONFIG (ProxiesConfig as JSON) */
import { setMaxListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../../src/domain/log.js';
import { createEtcd } from '../../src/etcd/client.js';
import { EtcdProxyRegistry } from '../../src/etcd/proxy-registry.js';
import { Latest } from '../../src/runtime/latest.js';
import { createLog } from '../../src/telemetry/log.js';
import { machineClock } from '../clock.js';
import type { ProxiesConfig } from '../records.js';
import { Emitter, stopSignal } from './emit.js';
import { etcdOptions, followed, SimulatedProxy } from './simulated-proxy.js';
import { warningsOnly } from './warnings-only.js';

/** All of them at once would keep each other waiting for longer than they wait for etcd. */
const atOnce = 10;

const config = JSON.parse(process.argv[2] ?? '') as ProxiesConfig;
const stop = stopSignal(config.seconds);
const emitter = new Emitter();
const folder = await mkdtemp(join(tmpdir(), 'pgcm-proxies-'));
const log = complaintsOf('');
const etcd = createEtcd(etcdOptions(config, ''), log);
/** All of them are: nobody need follow their registrations any more. */
const registered = new AbortController();
const registry = new EtcdProxyRegistry(etcd, followed, log);
// Each of the proxies listens to the end of all.
setMaxListeners(0, stop);
try {
  const names = Array.from(
    { length: config.end - config.first },
    (_, index) => `sim${String(config.first + index + 1).padStart(4, '0')}`,
  );
  const running: Promise<void>[] = [];
  const ready = followReady();
  for (let begin = 0; begin < names.length && !stop.aborted; begin += atOnce) {
    const some = names.slice(begin, begin + atOnce);
    running.push(...some.map((name) => run(name)));
    while (!some.every((name) => ready.value.has(name))) {
      if ((await ready.changed(undefined, stop)) === 'aborted') break;
    }
  }
  registered.abort();
  emitter.emit({ kind: 'started', at: machineClock() });
  await Promise.all(running);
  // Nobody shall look for them later.
  for (const name of names) await registry.forget(name, new AbortController().signal);
} finally {
  etcd.close();
  await rm(folder, { recursive: true, force: true });
}
// In KiB.
const { maxRSS } = process.resourceUsage();
emitter.emit({ kind: 'ended', at: machineClock(), rssMb: (maxRSS * 1_024) / 1e6 });
emitter.end();

async function run(name: string): Promise<void> {
  try {
    const proxy = await SimulatedProxy.open(name, join(folder, name), config, complaintsOf(name));
    await Promise.all([proxy.run(stop), ...(config.tellApplied === true ? [tellApplied(proxy)] : [])]);
  } catch (error) {
    complain(name, String(error));
  }
}

/** Those that are registered and lead to a route; until `registered` is aborted. */
function followReady(): Latest<ReadonlySet<string>> {
  const ready = new Latest<ReadonlySet<string>>(new Set());
  const following = registry.follow(
    ({ proxies }) =>
      ready.set(new Set(proxies.flatMap(({ id, route }) => (route === undefined ? [] : [id])))),
    AbortSignal.any([stop, registered.signal]),
  );
  following.catch((error: unknown) => complain('', String(error)));
  return ready;
}

async function tellApplied({ name, verified }: SimulatedProxy): Promise<void> {
  while ((await verified.changed(undefined, stop)) === 'changed') {
    const at = machineClock();
    const revision = Number(verified.value?.route.revision);
    emitter.emit({ kind: 'applied', at, proxy: name, revision });
  }
}

function complaintsOf(proxy: string): Log {
  return warningsOnly(createLog({ format: 'json', write: (line) => complain(proxy, line.trim()) }));
}

function complain(proxy: string, text: string): void {
  emitter.emit({ kind: 'complaint', at: machineClock(), proxy, text });
}
