/** Runs in the client host: writes through the bouncers. Usage: load-main.js CONFIG (LoadConfig as JSON) */
import { machineClock } from '../clock.js';
import type { LoadConfig } from '../records.js';
import { Emitter, stopSignal } from './emit.js';
import { LoadClient } from './load-client.js';

const config = JSON.parse(process.argv[2] ?? '') as LoadConfig;
const stop = stopSignal(config.seconds);
const emitter = new Emitter();
const clients = config.targets
  .flatMap((target) => Array.from({ length: target.clients }, () => target))
  .map((target, number) => new LoadClient(number, target, config, (record) => emitter.emit(record)));

await Promise.all(clients.map((client) => client.connect()));
emitter.emit({ kind: 'started', at: machineClock() });
let stopped = 0;
stop.addEventListener('abort', () => (stopped = machineClock()), { once: true });
await Promise.all(clients.map((client) => client.run(stop)));
emitter.emit({ kind: 'ended', stopped, at: machineClock() });
emitter.end();
