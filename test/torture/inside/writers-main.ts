/** Runs in the client host: clients that write all the time. Usage: writers-main.js CONFIG (WritersConfig as JSON) */
import { Emitter, stopSignal } from '../../../bench/inside/emit.js';
import type { WritersConfig } from '../records.js';
import { Writer } from './writer.js';

const config = JSON.parse(process.argv[2] ?? '') as WritersConfig;
const stop = stopSignal(config.seconds);
const emitter = new Emitter();
const writers = config.targets
  .flatMap((target) => Array.from({ length: target.clients }, () => target))
  .map((target, number) => new Writer(number, target, config, (record) => emitter.emit(record)));
emitter.emit({ kind: 'started' });
await Promise.all(writers.map((writer) => writer.run(stop)));
emitter.emit({ kind: 'ended' });
emitter.end();
// A server that hangs keeps its connection, and with it this process.
process.exit(0);
