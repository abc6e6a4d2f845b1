/** What etcd's members tell of themselves under /metrics (Prometheus' text format). */

/** The series by their full names, labels included. */
export type Metrics = ReadonlyMap<string, number>;

const timeoutMs = 5_000;

export async function readMetrics(url: string): Promise<Metrics> {
  const answer = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(timeoutMs) });
  if (!answer.ok) throw new Error(`${url}/metrics: status ${answer.status}`);
  return parseMetrics(await answer.text());
}

export function parseMetrics(text: string): Metrics {
  return new Map(
    text.split('\n').flatMap((line): [string, number][] => {
      const match = /^([^#\s]+(?:\{.*\})?) (\S+)$/.exec(line);
      return match === null ? [] : [[match[1] ?? '', Number(match[2])]];
    }),
  );
}

/** The sum of the series of this name that have all these labels, such as `grpc_method="Txn"`. */
export function sumOf(metrics: Metrics, name: string, ...labels: readonly string[]): number {
  let sum = 0;
  for (const [series, value] of metrics) {
    const [own] = series.split('{', 1);
    if (own === name && labels.every((label) => series.includes(label))) sum += value;
  }
  return sum;
}

/** What the members did between two looks, all of them together. */
export interface EtcdWork {
  /** Writes to keys: puts, and transactions that put. */
  readonly puts: number;
  readonly leaseRenewals: number;
  /** Requests on watches: new ones, and questions for a sign of life. */
  readonly watchMessages: number;
  /** Reads and transactions. */
  readonly calls: number;
  readonly cpuSeconds: number;
}

export function workBetween(before: readonly Metrics[], after: readonly Metrics[]): EtcdWork {
  const grown = (name: string, ...labels: readonly string[]): number =>
    total(after, name, ...labels) - total(before, name, ...labels);
  const received = (method: string): number =>
    grown('grpc_server_msg_received_total', `grpc_method="${method}"`);
  return {
    // Each member applies each write: one of them tells how many there were.
    puts: Math.max(
      ...after.map((metrics, index) => {
        const earlier = before[index];
        return earlier === undefined
          ? 0
          : sumOf(metrics, 'etcd_debugging_mvcc_put_total') - sumOf(earlier, 'etcd_debugging_mvcc_put_total');
      }),
    ),
    leaseRenewals: received('LeaseKeepAlive'),
    watchMessages: received('Watch'),
    calls: received('Range') + received('Txn'),
    cpuSeconds: grown('process_cpu_seconds_total'),
  };
}

export function total(members: readonly Metrics[], name: string, ...labels: readonly string[]): number {
  return members.reduce((sum, metrics) => sum + sumOf(metrics, name, ...labels), 0);
}
