import { counter, counterBy, gauge, gaugeBy, type Metric } from '../domain/metrics.js';
import type { RouteReading } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import type { HistoryWatch } from './history-watch.js';
import type { Janitor } from './janitor.js';
import type { NodeAnswers } from './node-answers.js';
import type { Publisher } from './publisher.js';
import type { ReplicaWatch } from './replica-watch.js';
import type { ReplicationManager } from './replication-manager.js';
import type { RoleWatch } from './role-watch.js';

export interface SuperviseMetricsSources {
  readonly answers: Pick<NodeAnswers, 'primary' | 'replica' | 'sync' | 'readOnly' | 'ready'>;
  readonly publisher: Pick<Publisher, 'published' | 'publishedAt' | 'recentLook'>;
  readonly role: Pick<RoleWatch, 'news'>;
  readonly replica: Pick<ReplicaWatch, 'news'>;
  readonly janitor: Pick<Janitor, 'seen'>;
  readonly history: Pick<HistoryWatch, 'outcomes' | 'last'>;
  readonly replication: Pick<ReplicationManager, 'known' | 'manages' | 'held'>;
  /** max-replica-lag */
  readonly mostLag: number;
}

/** An older view of the cluster is no value of now. */
const OLDEST_LOOK: Milliseconds = 10_000;

export function superviseMetrics(sources: SuperviseMetricsSources): readonly Metric[] {
  return [...ofRoute(sources), ...ofNode(sources), ...ofEntitlement(sources), ...ofSwitchovers(sources)];
}

function ofRoute({ publisher }: SuperviseMetricsSources): readonly Metric[] {
  return [
    gauge('pgcm_route_revision', "etcd's revision of the newest published route.", () =>
      revisionOf(publisher.published),
    ),
    gauge(
      'pgcm_route_age_seconds',
      'Since this daemon first heard of the newest published route.',
      () => publisher.publishedAt && (monotonic() - publisher.publishedAt) / 1_000,
    ),
  ];
}

function revisionOf(reading: RouteReading | undefined): number | undefined {
  return reading?.kind === 'route' ? Number(reading.route.revision) : undefined;
}

function ofNode({ answers, publisher, role, replica, mostLag }: SuperviseMetricsSources): readonly Metric[] {
  const replication = (): { receiving: boolean; lag: number | undefined } | undefined =>
    replica.news.kind === 'known' ? replica.news.replication : undefined;
  return [
    gaugeBy('check', 'pgcm_check_ok', 'What the health checks answer now: 1 for 200, 0 for 503.', () => [
      ['primary', answers.primary().ok],
      ['replica', answers.replica(mostLag).ok],
      ['sync', answers.sync(mostLag).ok],
      ['read-only', answers.readOnly(mostLag).ok],
      ['ready', answers.ready().ok],
    ]),
    gauge(
      'pgcm_cluster_quorum',
      'Whether the cluster manager has quorum here; no sample: it did not answer.',
      () => publisher.recentLook(OLDEST_LOOK)?.quorum,
    ),
    gauge(
      'pgcm_postgres_up',
      "Whether this node's PostgreSQL answered last time.",
      () => role.news.kind === 'answered',
    ),
    gauge(
      'pgcm_postgres_in_recovery',
      'Whether it is in recovery, as standbys are; no sample: it does not answer.',
      () => (role.news.kind === 'answered' ? role.news.inRecovery : undefined),
    ),
    gauge(
      'pgcm_replica_receiving',
      'Whether the standby here receives WAL; no sample: this is none.',
      () => replication()?.receiving,
    ),
    gauge(
      'pgcm_replica_lag_bytes',
      'WAL that the standby here has not replayed yet; no sample: this is none, or it is not known.',
      () => replication()?.lag,
    ),
  ];
}

function ofEntitlement({ replication }: SuperviseMetricsSources): readonly Metric[] {
  return [
    gauge(
      'pgcm_entitled_members',
      "Members that may be promoted, the primary among them; no sample: there is no record of pgcm's own agent.",
      () => (replication.known?.kind === 'record' ? replication.known.record.entitled.size : undefined),
    ),
    gauge(
      'pgcm_replication_managed',
      'Whether this node is the primary of that record, and keeps it in step with the standbys.',
      () => replication.manages,
    ),
    counter(
      'pgcm_replication_barrier_seconds_total',
      'How long commits have waited here while a standby was entitled.',
      () => replication.held / 1_000,
    ),
  ];
}

function ofSwitchovers({ janitor, history }: SuperviseMetricsSources): readonly Metric[] {
  return [
    gauge(
      'pgcm_move_constraints',
      "pgcm's constraints that are in the cluster manager now, one for each switchover whose move is asked for.",
      () => janitor.seen?.moves,
    ),
    counterBy(
      'outcome',
      'pgcm_switchovers_total',
      'Switchovers of this cluster that ended since the first scrape. Every supervise counts each of them.',
      () => [...history.outcomes],
    ),
    gauge(
      'pgcm_switchover_last_start_timestamp_seconds',
      'When the last switchover began, as seconds since 1970.',
      () => history.last && Date.parse(history.last.startedAt) / 1_000,
    ),
    gauge(
      'pgcm_switchover_last_pause_seconds',
      'How long clients were paused in the last switchover.',
      () => history.last && history.last.pause / 1_000,
    ),
    gaugeBy(
      'phase',
      'pgcm_switchover_last_phase_seconds',
      'How long each phase of the last switchover took.',
      () => phasesOf(history.last?.steps ?? []),
    ),
  ];
}

/** Names of phases are plain words; whatever else stands there must not become a label. */
function phasesOf(
  steps: readonly { readonly name: string; readonly ms: Milliseconds }[],
): ReadonlyMap<string, number> {
  const seconds = new Map<string, number>();
  for (const { name, ms } of steps) {
    if (/^[a-z][a-z -]{0,31}$/.test(name)) seconds.set(name, (seconds.get(name) ?? 0) + ms / 1_000);
  }
  return seconds;
}
