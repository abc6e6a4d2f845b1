import type { ConfigOf } from '../config/options.js';
import type { Bouncer } from '../domain/bouncer.js';
import type { Log } from '../domain/log.js';
import type { Metric } from '../domain/metrics.js';
import type { Postgres } from '../domain/postgres.js';
import type { HistoryFeed } from '../domain/stores.js';
import type { Etcd } from '../etcd/client.js';
import { pauseMetrics } from '../pausing/metrics.js';
import type { PauseKeeper } from '../pausing/pause-keeper.js';
import type { Service } from '../runtime/service-group.js';
import type { Vitals } from '../runtime/vitals.js';
import type { Addresses } from '../supervise/addresses.js';
import { BouncerWatch } from '../supervise/bouncer-watch.js';
import { HistoryWatch } from '../supervise/history-watch.js';
import type { Janitor } from '../supervise/janitor.js';
import { superviseMetrics, type SuperviseMetricsSources } from '../supervise/metrics.js';
import { NodeAnswers } from '../supervise/node-answers.js';
import type { Publisher } from '../supervise/publisher.js';
import { ReplicaWatch } from '../supervise/replica-watch.js';
import type { RoleWatch } from '../supervise/role-watch.js';
import { lagPage, healthPage } from '../telemetry/pages.js';
import { processMetrics, sourceMetric } from '../telemetry/process-metrics.js';
import { httpEndpoint } from './http.js';

export interface SuperviseHttpParts {
  readonly config: Pick<
    ConfigOf<'supervise'>,
    'http-address' | 'max-replica-lag' | 'etcd-timeout' | 'pgbouncer-timeout'
  >;
  readonly etcd: Pick<Etcd, 'heardAt'>;
  readonly history: HistoryFeed;
  readonly vitals: Vitals;
  readonly version: string;
  readonly log: Log;
  readonly publisher: Publisher;
  readonly role: RoleWatch;
  readonly addresses: Addresses;
  readonly postgres: Pick<Postgres, 'replication'>;
  readonly bouncers: readonly Bouncer[];
  readonly keeper: PauseKeeper;
  readonly janitor: Janitor;
  readonly replication: SuperviseMetricsSources['replication'];
}

export interface SuperviseHttp {
  readonly services: readonly Service[];
  readonly listening: Promise<unknown>;
}

/** What supervise answers over HTTP, and what has to be found out for that; undefined: it answers nothing. */
export function superviseHttp(parts: SuperviseHttpParts): SuperviseHttp | undefined {
  const { config, etcd, vitals, version, log, publisher, role, postgres, bouncers, keeper, janitor } = parts;
  const mostLag = config['max-replica-lag'];
  const replica = new ReplicaWatch({ postgres, role });
  const reached = new BouncerWatch({ bouncers, timeout: config['pgbouncer-timeout'] });
  const history = new HistoryWatch({ history: parts.history, log, timeout: config['etcd-timeout'] });
  const answers = new NodeAnswers({
    role,
    replica,
    publisher,
    bouncers: reached,
    addresses: parts.addresses,
  });
  const server = httpEndpoint({
    daemon: 'supervise',
    address: config['http-address'],
    pages: [
      ['/primary', healthPage(() => answers.primary())],
      ['/replica', lagPage(mostLag, (lag) => answers.replica(lag))],
      ['/sync', lagPage(mostLag, (lag) => answers.sync(lag))],
      ['/read-only', lagPage(mostLag, (lag) => answers.readOnly(lag))],
    ],
    vitals,
    ready: () => answers.ready(),
    metrics: superviseMetricsOf({
      ...{ version, vitals, etcd, publisher, role, replica, reached, janitor, history, keeper, answers },
      replication: parts.replication,
      mostLag,
    }),
    onScrape: () => history.asked(),
    log,
  });
  return server && { services: [server, replica, reached, history], listening: server.listening };
}

export interface SuperviseMetricsParts extends SuperviseMetricsSources {
  readonly version: string;
  readonly vitals: Vitals;
  readonly etcd: Pick<Etcd, 'heardAt'>;
  readonly publisher: SuperviseMetricsSources['publisher'] & Pick<Publisher, 'lookedAt'>;
  readonly role: SuperviseMetricsSources['role'] & Pick<RoleWatch, 'answeredAt'>;
  readonly reached: Pick<BouncerWatch, 'answeredAt'>;
  readonly keeper: Parameters<typeof pauseMetrics>[0];
}

/** All metrics of supervise. Nothing of the parts is looked at before a metric is read. */
export function superviseMetricsOf(parts: SuperviseMetricsParts): readonly Metric[] {
  const { version, vitals, etcd, publisher, role, reached, janitor, keeper } = parts;
  return [
    ...processMetrics(version, vitals),
    sourceMetric([
      { name: 'etcd', heardAt: () => etcd.heardAt },
      { name: 'cluster_manager', heardAt: () => publisher.lookedAt },
      { name: 'postgres', heardAt: () => role.answeredAt },
      { name: 'pgbouncer', heardAt: () => reached.answeredAt },
      { name: 'moves', heardAt: () => janitor.seen?.at },
    ]),
    ...superviseMetrics(parts),
    ...pauseMetrics(keeper),
  ];
}
