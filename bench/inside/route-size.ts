/** `bench routes` with so many proxies. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseAddress } from '../../src/domain/address.js';
import { createEtcd, type Etcd } from '../../src/etcd/client.js';
import { EtcdRouteStore } from '../../src/etcd/route-store.js';
import { createLog } from '../../src/telemetry/log.js';
import type { EtcdServers } from '../../test/contract/etcd-server.js';
import { machineClock } from '../clock.js';
import { readMetrics, total, workBetween, type Metrics } from '../etcd-metrics.js';
import { InsideProgram } from '../inside-program.js';
import { parseStat, usageOf } from '../process-tree.js';
import { complaintsIn } from '../proxies.js';
import type { ProxiesConfig, ProxiesRecord, RoutesConfig } from '../records.js';
import { routeFigures, type RouteFigures } from '../route-figures.js';
import { Acknowledgements } from './acknowledgements.js';
import { limitMs, RoutePuts } from './route-puts.js';
import { etcdOptions, followed } from './simulated-proxy.js';
import { warningsOnly } from './warnings-only.js';

/** What the proxies cost when nothing changes: all of them, or all members of etcd, together. */
export interface IdleCost {
  readonly seconds: number;
  /** Writes to etcd's keys. */
  readonly etcd_puts: number;
  readonly lease_renewals_per_s: number;
  readonly watch_messages_per_s: number;
  readonly calls_per_s: number;
  readonly etcd_cpu_s_per_min: number;
  readonly etcd_rss_mb: number;
  readonly etcd_goroutines: number;
  readonly watchers: number;
  readonly watch_streams: number;
  readonly proxies_cpu_s_per_min: number;
}

export type SizeReport = RouteFigures & { readonly idle: IdleCost };

type Program = InsideProgram<ProxiesRecord>;

const masterKey = '/master';
const longestSeconds = 1_800;
const endTimeoutMs = 60_000;

export async function measureSize(
  servers: EtcdServers,
  size: number,
  { puts, kill, idleSeconds }: RoutesConfig,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<SizeReport> {
  const options: ProxiesConfig = {
    ...{ first: 0, end: size, endpoints: servers.endpoints, masterKey },
    ...{ seconds: longestSeconds, tellApplied: true },
  };
  const log = warningsOnly(createLog({ format: 'json', write: (line) => print(`  driver: ${line.trim()}`) }));
  const etcd = createEtcd(etcdOptions(options, ''), log);
  const stop = new AbortController();
  const acknowledgements = new Acknowledgements();
  const routes = new EtcdRouteStore(etcd, { ...followed, key: masterKey }, log);
  let program: Program | undefined;
  try {
    await publishFirst(etcd);
    const following = acknowledgements.run(etcd, log, stop.signal);
    program = startProxies(options);
    await Promise.race([program.reached('started', signal), following]);
    print(`${size} proxies are registered and lead to the route`);
    const proxies = names(size);
    const idle = await idleCost(servers, program, idleSeconds, signal);
    const { pid } = program;
    const putter = new RoutePuts({
      ...{ servers, kill, etcd, routes, acknowledgements, proxies, print, signal },
      cpu: () => cpuOf(pid),
    });
    await Promise.race([putter.run(puts), following]);
    await program.stop(endTimeoutMs);
    for (const line of complaintsIn(program.records)) print(`  ${line}`);
    const applied = program.records.filter((record) => record.kind === 'applied');
    const ended = program.records.find((record) => record.kind === 'ended');
    const figures = routeFigures({
      ...{ proxies, puts: putter.puts, applied, acked: acknowledgements.sightings, limitMs },
      rssMb: ended?.rssMb ?? Number.NaN,
    });
    print(JSON.stringify(figures));
    return { ...figures, idle };
  } finally {
    stop.abort();
    program?.kill();
    etcd.close();
  }
}

async function publishFirst(etcd: Etcd): Promise<void> {
  await etcd.put(masterKey, parseAddress('10.0.0.1'), new AbortController().signal);
}

function startProxies(config: ProxiesConfig): Program {
  const file = fileURLToPath(new URL('proxies-main.js', import.meta.url));
  const child = spawn(process.execPath, ['--max-semi-space-size=64', file, JSON.stringify(config)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return InsideProgram.of<ProxiesRecord>(child, 'proxies');
}

function names(size: number): string[] {
  return Array.from({ length: size }, (_, index) => `sim${String(index + 1).padStart(4, '0')}`);
}

async function idleCost(
  servers: EtcdServers,
  program: Program,
  seconds: number,
  signal: AbortSignal,
): Promise<IdleCost> {
  // What their registering left to do.
  await delay(2_000, undefined, { signal });
  const look = async (): Promise<{ at: number; cpu: number; members: Metrics[] }> => ({
    at: machineClock(),
    cpu: cpuOf(program.pid),
    members: await Promise.all(servers.endpoints.map(readMetrics)),
  });
  const before = await look();
  await delay(seconds * 1_000, undefined, { signal });
  const after = await look();
  const span = (after.at - before.at) / 1_000;
  const work = workBetween(before.members, after.members);
  const perSecond = (count: number): number => Math.round((count / span) * 10) / 10;
  const perMinute = (used: number): number => Math.round((used / span) * 600) / 10;
  const gauge = (name: string): number => total(after.members, name);
  return {
    seconds,
    etcd_puts: work.puts,
    lease_renewals_per_s: perSecond(work.leaseRenewals),
    watch_messages_per_s: perSecond(work.watchMessages),
    calls_per_s: perSecond(work.calls),
    etcd_cpu_s_per_min: perMinute(work.cpuSeconds),
    etcd_rss_mb: Math.round(gauge('process_resident_memory_bytes') / 1e6),
    etcd_goroutines: gauge('go_goroutines'),
    watchers: gauge('etcd_debugging_mvcc_watcher_total'),
    watch_streams: gauge('etcd_debugging_mvcc_watch_stream_total'),
    proxies_cpu_s_per_min: perMinute(after.cpu - before.cpu),
  };
}

function cpuOf(pid: number): number {
  const stat = parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return usageOf(pid, stat === undefined ? [] : [stat])?.cpuSeconds ?? Number.NaN;
}
