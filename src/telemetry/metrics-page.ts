import { createRequire } from 'node:module';
import type { Counter, Gauge, Registry } from 'prom-client';
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
    registry ??= registryOf(metrics);
    return { status: 200, type: registry.contentType, body: await registry.metrics() };
  };
}

interface Library {
  readonly Registry: typeof Registry;
  readonly Gauge: typeof Gauge;
  readonly Counter: typeof Counter;
}

/** Not the package as a whole: that loads what is never used here (clusters, a push gateway, tracing), up to 8 MB of it. */
function loadLibrary(): Library {
  const require = createRequire(import.meta.url);
  const part = (name: string): unknown => require(`prom-client/lib/${name}.js`);
  return { Registry: part('registry'), Gauge: part('gauge'), Counter: part('counter') } as Library;
}

/** One of its own: the library's global one would be shared by all daemons of a process. */
function registryOf(metrics: readonly Metric[]): Registry {
  const { Counter, Gauge, Registry } = loadLibrary();
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
