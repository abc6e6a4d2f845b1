/** Runs in the client host: some proxies with simulated PgBouncers. Usage: proxies-main.js CONFIG (ProxiesConfig as JSON) */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runServices } from '../../src/runtime/service-group.js';
import { createLog } from '../../src/telemetry/log.js';
import { machineClock } from '../clock.js';
import type { ProxiesConfig } from '../records.js';
import { Emitter, stopSignal } from './emit.js';
import { SimulatedProxy } from './simulated-proxy.js';

const config = JSON.parse(process.argv[2] ?? '') as ProxiesConfig;
const stop = stopSignal(config.seconds);
const emitter = new Emitter();
const folder = await mkdtemp(join(tmpdir(), 'pgcm-proxies-'));
try {
  const numbers = Array.from({ length: config.end - config.first }, (_, index) => config.first + index);
  const proxies = await Promise.all(
    numbers.map((number) => {
      const name = `sim${String(number + 1).padStart(3, '0')}`;
      return SimulatedProxy.open(name, join(folder, name), config, complaintsOf(name));
    }),
  );
  const running = runServices(proxies, stop);
  await Promise.all(proxies.map((proxy) => proxy.leads(stop)));
  emitter.emit({ kind: 'started', at: machineClock() });
  for (const { service, error } of await running) complain(service, String(error));
} finally {
  await rm(folder, { recursive: true, force: true });
}
emitter.emit({ kind: 'ended', at: machineClock() });
emitter.end();

/** Their logs, warnings and errors only: what all of them say at a switchover would be load of its own. */
function complaintsOf(proxy: string): ReturnType<typeof createLog> {
  return createLog({
    format: 'json',
    write(line) {
      if (!line.startsWith('{"level":"info"')) complain(proxy, line.trim());
    },
  });
}

function complain(proxy: string, text: string): void {
  emitter.emit({ kind: 'complaint', at: machineClock(), proxy, text });
}
