import { counter, gauge, gaugeBy, type Metric } from '../domain/metrics.js';
import { monotonic } from '../runtime/clock.js';
import type { PauseKeeper } from './pause-keeper.js';

/** The reasons as they are labelled: a switchover's id would make a new series of each. */
const REASONS = ['request', 'api', 'hold'] as const;

/** What a daemon tells of the pauses that it keeps. */
export function pauseMetrics(keeper: Pick<PauseKeeper, 'news' | 'pauses' | 'endsAt'>): readonly Metric[] {
  const reasons = (): readonly string[] =>
    keeper.news.value.reasons.map((reason) => reason.split(':')[0] ?? '');
  return [
    gaugeBy(
      'reason',
      'pgcm_pause_active',
      'Whether clients are paused, by reason: the request of a switchover, a call of the API, a hold.',
      () => REASONS.map((reason) => [reason, reasons().includes(reason)]),
    ),
    gauge(
      'pgcm_pause_remaining_seconds',
      'Until paused clients go on at the latest; no sample while they run, +Inf for an endless pause.',
      () => keeper.endsAt && Math.max(0, keeper.endsAt - monotonic()) / 1_000,
    ),
    gauge(
      'pgcm_pause_clients_waiting',
      'Clients that waited at the last look in a pause.',
      () => keeper.news.value.clientsWaiting,
    ),
    gauge(
      'pgcm_pause_longest_wait_seconds',
      'The longest wait of a client in this pause, or in the last one.',
      () => keeper.news.value.longestWait / 1_000,
    ),
    counter('pgcm_pauses_total', 'Pauses that were complete.', () => keeper.pauses.of('begun')),
    counter('pgcm_pauses_expired_total', 'Pauses that nobody ended in time.', () =>
      keeper.pauses.of('expired'),
    ),
  ];
}
