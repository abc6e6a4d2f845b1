/**
 * Runs in a Postgres node: asks its PostgreSQL, over the local socket, a few times a second whether it
 * takes writes, and on which timeline. Usage: sampler-main.js CONFIG (SamplerConfig as JSON)
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { machineClock } from '../../../bench/clock.js';
import { stopSignal } from '../../../bench/inside/emit.js';
import type { Sample, SamplerConfig } from '../samples.js';

const timeoutMs = 1_000;

const config = JSON.parse(process.argv[2] ?? '') as SamplerConfig;
const stop = stopSignal(config.seconds);
let connection: Client | undefined;
while (!stop.aborted) {
  const sample = await look();
  process.stdout.write(`${JSON.stringify(sample)}\n`);
  await delay(config.intervalMs, undefined, { signal: stop }).catch(() => undefined);
}
process.stdout.write(`${JSON.stringify({ kind: 'ended' })}\n`);
await connection?.end().catch(() => undefined);

async function look(): Promise<Sample> {
  const asked = machineClock();
  try {
    connection ??= await connect();
    // A timeline's number is the first eight digits of the name of a WAL file that is written now.
    const { rows } = await connection.query<{ timeline: string | null }>(
      `select case when not pg_is_in_recovery()
                   then substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end as timeline`,
    );
    const timeline = rows[0]?.timeline ?? undefined;
    const answered = machineClock();
    return timeline === undefined
      ? { kind: 'sample', asked, answered }
      : { kind: 'sample', asked, answered, timeline: Number.parseInt(timeline, 16) };
  } catch {
    // It is down, starting or ending: it takes no writes. The next look connects anew.
    void connection?.end().catch(() => undefined);
    connection = undefined;
    return { kind: 'sample', asked, answered: machineClock() };
  }
}

async function connect(): Promise<Client> {
  const client = new Client({
    host: '/var/run/postgresql',
    user: 'postgres',
    database: 'postgres',
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
  });
  // A lost connection shows at the next look.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
