import { httpPlace } from '../config/http-address.js';
import type { Log } from '../domain/log.js';
import type { HealthAnswer } from '../domain/health.js';
import type { Metric } from '../domain/metrics.js';
import type { Vitals } from '../runtime/vitals.js';
import { httpServer, type HttpServer, type Page } from '../telemetry/http-server.js';
import { metricsPage } from '../telemetry/metrics-page.js';
import { alivePage, healthPage } from '../telemetry/pages.js';

export interface HttpParts {
  readonly daemon: 'supervise' | 'proxy';
  /** http-address */
  readonly address: string;
  /** Beside /healthz, /readyz and /metrics. */
  readonly pages: readonly (readonly [path: string, page: Page])[];
  readonly vitals: Vitals;
  readonly ready: () => HealthAnswer;
  readonly metrics: readonly Metric[];
  /** Somebody reads the metrics. */
  readonly onScrape?: () => void;
  readonly log: Log;
}

/** What a daemon answers over HTTP; undefined when it is to answer nothing. */
export function httpEndpoint(parts: HttpParts): HttpServer | undefined {
  const { daemon, address, pages, vitals, ready, metrics, onScrape, log } = parts;
  const place = httpPlace(address, daemon);
  if (place === undefined) return undefined;
  return httpServer({
    ...place,
    address,
    pages: new Map([
      ...pages,
      ['/healthz', alivePage(vitals)],
      ['/readyz', healthPage(ready)],
      ['/metrics', metricsPage(metrics, onScrape)],
    ]),
    log,
  });
}
