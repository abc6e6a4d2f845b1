import type { Metric } from '../domain/metrics.js';
import { proxyMetricsOf, type ProxyMetricsParts } from './proxy-http.js';
import { superviseMetricsOf, type SuperviseMetricsParts } from './supervise-http.js';

const [START, END] = ['<!-- metrics:start -->', '<!-- metrics:end -->'];

/** Every metric, with the daemons that tell it. Nothing is read, so nothing has to be there. */
export function allMetrics(): readonly { readonly metric: Metric; readonly daemons: readonly string[] }[] {
  const supervise = superviseMetricsOf({} as SuperviseMetricsParts);
  const proxy = proxyMetricsOf({} as ProxyMetricsParts);
  const byName = new Map([...supervise, ...proxy].map((metric) => [metric.name, metric]));
  const has = (metrics: readonly Metric[], name: string): boolean => metrics.some((one) => one.name === name);
  return [...byName.values()].map((metric) => ({
    metric,
    daemons: [
      ...(has(supervise, metric.name) ? ['supervise'] : []),
      ...(has(proxy, metric.name) ? ['proxy'] : []),
    ],
  }));
}

/** The document with the table of metrics between its two marks made anew. */
export function withMetricsTable(document: string): string {
  const [before, rest] = document.split(START);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`${START} or ${END} is missing`);
  return `${before}${START}\n\n${table()}\n${END}${after}`;
}

function table(): string {
  const rows = allMetrics().map(({ metric: { name, type, labels, help }, daemons }) => {
    const labelled = labels.length === 0 ? '' : ` {${labels.join(', ')}}`;
    return `| \`${name}\`${labelled} | ${type} | ${daemons.join(', ')} | ${help} |\n`;
  });
  return `| metric | type | daemon | it says |\n| --- | --- | --- | --- |\n${rows.join('')}`;
}
