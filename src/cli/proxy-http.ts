import type { Log } from '../domain/log.js';
import type { Metric } from '../domain/metrics.js';
import type { Etcd } from '../etcd/client.js';
import { pauseMetrics } from '../pausing/metrics.js';
import type { ProxyDaemon } from '../proxy/daemon.js';
import { proxyMetrics, type ProxyMetricsSources } from '../proxy/metrics.js';
import { ProxyAnswers } from '../proxy/proxy-answers.js';
import type { RouteProxy } from '../proxy/proxy.js';
import type { Vitals } from '../runtime/vitals.js';
import type { HttpServer } from '../telemetry/http-server.js';
import { healthPage } from '../telemetry/pages.js';
import { processMetrics, sourceMetric } from '../telemetry/process-metrics.js';
import { httpEndpoint } from './http.js';

export interface ProxyHttpParts {
  /** http-address */
  readonly address: string;
  readonly daemon: ProxyDaemon;
  readonly etcd: Pick<Etcd, 'heardAt'>;
  readonly vitals: Vitals;
  readonly version: string;
  readonly log: Log;
}

/** What a proxy answers over HTTP; undefined: nothing. */
export function proxyHttp(parts: ProxyHttpParts): HttpServer | undefined {
  const { address, daemon, etcd, vitals, version, log } = parts;
  const { proxy, keeper, hold, outputs } = daemon;
  const answers = new ProxyAnswers({ proxy, reasons: () => keeper.news.value.reasons });
  return httpEndpoint({
    ...{ daemon: 'proxy', address, vitals, log, ready: () => answers.ready() },
    pages: [['/primary', healthPage(() => answers.primary())]],
    metrics: proxyMetricsOf({ version, vitals, etcd, proxy, keeper, hold, outputs }),
  });
}

export interface ProxyMetricsParts extends ProxyMetricsSources {
  readonly version: string;
  readonly vitals: Vitals;
  readonly etcd: Pick<Etcd, 'heardAt'>;
  readonly proxy: ProxyMetricsSources['proxy'] & Pick<RouteProxy, 'ledAt'>;
  readonly keeper: Parameters<typeof pauseMetrics>[0];
}

/** All metrics of a proxy. Nothing of the parts is looked at before a metric is read. */
export function proxyMetricsOf(parts: ProxyMetricsParts): readonly Metric[] {
  const { version, vitals, etcd, proxy, keeper } = parts;
  return [
    ...processMetrics(version, vitals),
    sourceMetric([
      { name: 'etcd', heardAt: () => etcd.heardAt },
      { name: 'pgbouncer', heardAt: () => proxy.ledAt },
    ]),
    ...proxyMetrics(parts),
    ...pauseMetrics(keeper),
  ];
}
