/** Many more registered proxies than the playground has app hosts, in its client host. */
import type { Playground } from '../playground/client.js';
import { InsideProgram } from './inside-program.js';
import type { ProxiesConfig, ProxiesRecord } from './records.js';

export interface ProxiesOptions {
  readonly count: number;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

/** One process could use one core only. */
const processes = 2;
/** They end by themselves after this, whatever became of the driver. */
const longestSeconds = 3_600;
const endTimeoutMs = 30_000;
/** Room for the garbage of 100: collecting it is not what is measured. */
const flags = ['--max-semi-space-size=64'];

/** Do some work while so many proxies are registered, all of which are on the published route at its start. */
export async function withProxies<T>(
  playground: Playground,
  { count, print, signal }: ProxiesOptions,
  work: () => Promise<T>,
): Promise<T> {
  print(`starting ${count} proxies in ${processes} processes`);
  const programs: InsideProgram<ProxiesRecord>[] = [];
  try {
    for (const config of await configsOf(playground, count)) {
      programs.push(await InsideProgram.start<ProxiesRecord>(playground, 'proxies-main', config, { flags }));
    }
    await Promise.all(programs.map((program) => program.reached('started', signal)));
    print(`all ${count} proxies are registered and lead to the primary`);
    const result = await work();
    await Promise.all(programs.map((program) => program.stop(endTimeoutMs)));
    for (const line of complaintsIn(programs.flatMap(({ records }) => records))) print(`  ${line}`);
    return result;
  } finally {
    for (const program of programs) program.kill();
  }
}

async function configsOf(playground: Playground, count: number): Promise<ProxiesConfig[]> {
  const nodes = await playground.hosts('postgres');
  const endpoints = nodes.map(({ address }) => `http://${address}:2379`);
  return Array.from({ length: processes }, (_, index) => ({
    first: Math.floor((count * index) / processes),
    end: Math.floor((count * (index + 1)) / processes),
    endpoints,
    masterKey: '/master',
    seconds: longestSeconds,
  }));
}

const mostComplaints = 10;

/** The distinct ones, most frequent first: what one proxy says most others say, too. */
export function complaintsIn(records: readonly ProxiesRecord[]): string[] {
  const counts = new Map<string, number>();
  for (const record of records) {
    if (record.kind !== 'complaint') continue;
    const text = record.text.replaceAll(record.proxy, 'PROXY').replace(/"ts":"[^"]*",/, '');
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, one], [, other]) => other - one);
  return sorted.slice(0, mostComplaints).map(([text, count]) => `${count} x ${text}`);
}
