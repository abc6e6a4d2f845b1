import type { Registry } from 'prom-client';
import type { Metric } from '../domain/metrics.js';
import type { Page } from './http-server.js';

/**
 * The metrics for Prometheus, read from the daemon's state when they are asked for. What formats them is loaded
 * then, too: a daemon that nobody scrapes has nothing of it in memory.
 *
 * @param onRead somebody is interested: for what is found out only then
 */
export function metricsPage(metrics: readonly Metric[], onRead: () => void = () => undefined): Page {
  let registry: Registry | undefined;
  return async () => {
    onRead();
    registry ??= await registryOf(metrics);
    return { status: 200, type: registry.contentType, body: await registry.metrics() };
  };
}

/** One of its own: the library's global one would be shared by all daemons of a process. */
async function registryOf(metrics: readonly Metric[]): Promise<Registry> {
  const { Counter, Gauge, Registry } = await import('prom-client');
  const registry = new Registry();
  for (const { name, type, help, labels, read } of metrics) {
    const common = { name, help, labelNames: [...labels], registers: [registry] };
    if (type === 'gauge') {
      new Gauge({
        ...common,
        collect() {
          this.reset();
          const samples = read();
          // Without labels there is a 0 that nobody has set.
          if (samples.length === 0 && labels.length === 0) this.remove();
          for (const sample of samples) this.set({ ...sample.labels }, sample.value);
        },
      });
    } else {
      new Counter({
        ...common,
        collect() {
          this.reset();
          for (const sample of read()) this.inc({ ...sample.labels }, sample.value);
        },
      });
    }
  }
  return registry;
}
