/**
 * Runs in the client host: asks one PostgreSQL directly, without any bouncer, when it takes writes.
 * Usage: prober-main.js CONFIG (ProbeConfig as JSON)
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { machineClock } from '../clock.js';
import type { ProbeConfig, ProbeRecord } from '../records.js';
import { Emitter, stopSignal } from './emit.js';

const timeoutMs = 1_000;

const config = JSON.parse(process.argv[2] ?? '') as ProbeConfig;
const stop = stopSignal(config.seconds);
const emitter = new Emitter();
let [looks, longestGap] = [0, 0];
let last: ProbeRecord['kind'] | undefined;
let connection: Client | undefined;

let begun = machineClock();
while (!stop.aborted) {
  const record = await look();
  looks++;
  if (record.kind !== last) emitter.emit(record);
  last = record.kind;
  const ended = machineClock();
  // For as long again as a look took: it must not slow down what it waits for.
  const pause = Math.max(begun + config.intervalMs - ended, ended - begun);
  await delay(pause, undefined, { signal: stop }).catch(() => undefined);
  const now = machineClock();
  longestGap = Math.max(longestGap, now - begun);
  begun = now;
}
emitter.emit({ kind: 'ended', looks, longestGap });
emitter.end();
await connection?.end().catch(() => undefined);

async function look(): Promise<ProbeRecord> {
  try {
    connection ??= await connect();
    const { rows } = await connection.query<{ recovering: boolean }>(
      'select pg_is_in_recovery() as recovering',
    );
    if (rows[0]?.recovering !== false) return { kind: 'recovery', at: machineClock() };
    // Once is enough: what counts is the first acknowledged one.
    if (last !== 'writable') await connection.query(`insert into ${config.table} default values`);
    return { kind: 'writable', at: machineClock() };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    void connection?.end().catch(() => undefined);
    connection = undefined;
    return { kind: 'unreachable', at: machineClock(), message };
  }
}

async function connect(): Promise<Client> {
  const { host, port } = config;
  const client = new Client({
    host,
    port,
    user: 'app',
    database: 'app',
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
  });
  // A lost connection shows at the next look.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
