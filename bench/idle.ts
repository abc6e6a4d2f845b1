/** `bench idle`: what supervise and proxy cost on a cluster where nothing happens. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Playground } from '../playground/client.js';
import type { HostStatus } from '../playground/protocol.js';
import { parseStat, usageOf, type Usage } from './process-tree.js';

/** Means over the hosts and over the time; memory in 10^6 bytes. */
export interface Cost {
  readonly rss_mb: number;
  readonly cpu_s_per_min: number;
}

export interface IdleReport {
  readonly supervise: Cost;
  readonly proxy: Cost;
}

export interface IdleOptions {
  /** Let it run for so long first, then look for so long. */
  readonly settleSeconds: number;
  readonly seconds: number;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

type Daemon = keyof IdleReport;

interface Sample {
  readonly host: string;
  readonly daemon: Daemon;
  readonly pid: number;
  readonly at: number;
  readonly usage: Usage;
}

const sampleEveryMs = 5_000;

export async function benchIdle(playground: Playground, options: IdleOptions): Promise<IdleReport> {
  const { settleSeconds, seconds, print, signal } = options;
  print(`letting the cluster run for ${settleSeconds} s`);
  await delay(settleSeconds * 1_000, undefined, { signal });
  print(`looking at supervise and proxy for ${seconds} s`);
  const samples: Sample[] = [];
  const end = performance.now() + seconds * 1_000;
  for (;;) {
    samples.push(...(await sampleAll(playground)));
    const left = end - performance.now();
    if (left <= 0) break;
    await delay(Math.min(sampleEveryMs, left), undefined, { signal });
  }
  return { supervise: cost(samples, 'supervise', print), proxy: cost(samples, 'proxy', print) };
}

async function sampleAll(playground: Playground): Promise<Sample[]> {
  const hosts = (await playground.hosts()).filter(({ kind }) => kind !== 'client');
  return (await Promise.all(hosts.map((host) => sample(playground, host)))).flat();
}

async function sample(playground: Playground, { name, kind }: HostStatus): Promise<Sample[]> {
  const daemons: Daemon[] = kind === 'postgres' ? ['supervise', 'proxy'] : ['proxy'];
  // One look at everything, so that a child is not counted with its parent and on its own.
  const script =
    'for d in "$@"; do cat "/run/node/services/pgcm-$d/pid"; echo; done; echo --; cat /proc/[0-9]*/stat 2>/dev/null; :';
  const { stdout, stderr } = await playground.exec(name, ['sh', '-c', script, 'sh', ...daemons]);
  const at = performance.now();
  const [pids = '', processes = ''] = stdout.split('--\n');
  const stats = processes.split('\n').flatMap((line) => parseStat(line) ?? []);
  const numbers = pids
    .split(/\s+/)
    .filter((word) => word !== '')
    .map(Number);
  return daemons.map((daemon, index) => {
    const pid = numbers[index] ?? Number.NaN;
    const usage = usageOf(pid, stats);
    if (usage === undefined) throw new Error(`pgcm ${daemon} does not run on ${name}: ${stderr.trim()}`);
    return { host: name, daemon, pid, at, usage };
  });
}

function cost(samples: readonly Sample[], daemon: Daemon, print: (line: string) => void): Cost {
  const own = samples.filter((one) => one.daemon === daemon);
  const hosts = [...new Set(own.map(({ host }) => host))];
  const costs = hosts.map((host) => {
    const here = own.filter((one) => one.host === host);
    const [first, last] = [here[0], here.at(-1)];
    if (first === undefined || last === undefined || first.pid !== last.pid) {
      throw new Error(`pgcm ${daemon} on ${host} was restarted while it was looked at`);
    }
    const minutes = (last.at - first.at) / 60_000;
    const found = {
      rss_mb: mean(here.map(({ usage }) => usage.rssMb)),
      cpu_s_per_min: (last.usage.cpuSeconds - first.usage.cpuSeconds) / minutes,
    };
    print(
      `${host}: ${daemon}: ${found.rss_mb.toFixed(1)} MB, ${found.cpu_s_per_min.toFixed(2)} CPU s a minute`,
    );
    return found;
  });
  return {
    rss_mb: rounded(mean(costs.map(({ rss_mb }) => rss_mb))),
    cpu_s_per_min: rounded(mean(costs.map(({ cpu_s_per_min }) => cpu_s_per_min))),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
