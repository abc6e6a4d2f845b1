import { counter, counterBy, gauge, gaugeBy, type Metric } from '../domain/metrics.js';
import { monotonic } from '../runtime/clock.js';
import type { Latest } from '../runtime/latest.js';
import type { HoldWatch } from './hold-watch.js';
import type { OutputState } from './output-keeper.js';
import type { RouteProxy } from './proxy.js';
import type { RouteState } from './route-state.js';

export interface ProxyMetricsSources {
  readonly proxy: Pick<
    RouteProxy,
    'state' | 'published' | 'publishedAt' | 'verified' | 'reloads' | 'failures' | 'writes'
  >;
  readonly hold: Pick<HoldWatch, 'state' | 'counts'>;
  readonly outputs: readonly Latest<OutputState>[];
}

const STATES = ['waiting', 'applying', 'failing', 'applied'] as const satisfies readonly RouteState['kind'][];

export function proxyMetrics({ proxy, hold, outputs }: ProxyMetricsSources): readonly Metric[] {
  return [
    gauge(
      'pgcm_route_revision',
      "etcd's revision of the newest published route.",
      () => proxy.published && Number(proxy.published.revision),
    ),
    gauge(
      'pgcm_route_age_seconds',
      'Since this daemon first heard of the newest published route.',
      () => proxy.publishedAt && (monotonic() - proxy.publishedAt) / 1_000,
    ),
    gauge(
      'pgcm_route_applied_revision',
      'The revision of the route that every PgBouncer was last verified to lead to.',
      () => proxy.verified.value && Number(proxy.verified.value.route.revision),
    ),
    gaugeBy(
      'state',
      'pgcm_route_state',
      'What is being done about the newest route: 1 for the state that it is in.',
      () => STATES.map((state) => [state, proxy.state.kind === state]),
    ),
    counterBy(
      'bouncer',
      'pgcm_reloads_total',
      'RELOADs of each PgBouncer that brought it to the route.',
      () => [...proxy.reloads],
    ),
    counter('pgcm_config_writes_total', 'How often the config file was written anew.', () => proxy.writes),
    counterBy(
      'part',
      'pgcm_route_failures_total',
      'Attempts to apply a route that failed, by what failed: writing the config file, or a PgBouncer.',
      () => [...proxy.failures],
    ),
    gaugeBy(
      'output',
      'pgcm_output_ok',
      'Whether the last attempt to bring each output to the route succeeded.',
      () => outputs.map(({ value: { name, error } }) => [name, error === '']),
    ),
    gauge(
      'pgcm_hold_active',
      'Whether clients wait because the primary takes none.',
      () => hold.state.value.kind === 'held',
    ),
    gauge(
      'pgcm_hold_over',
      'Whether they waited for hold-timeout in vain: they run, and meet errors until there is a primary.',
      () => hold.state.value.kind === 'over',
    ),
    gauge(
      'pgcm_hold_age_seconds',
      'Since the primary was found to take no clients; no sample while it takes them.',
      () => {
        const { value } = hold.state;
        return value.kind === 'none' ? undefined : (monotonic() - value.since) / 1_000;
      },
    ),
    counterBy(
      'outcome',
      'pgcm_holds_total',
      'Holds that ended: by a new route, because the primary was back, or because hold-timeout was over.',
      () => [...hold.counts],
    ),
  ];
}
