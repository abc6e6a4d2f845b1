import { counterBy, gauge, gaugeBy, type Metric } from '../domain/metrics.js';
import { monotonic } from '../runtime/clock.js';
import type { PauseKeeper } from './pause-keeper.js';
import { kindOfPause, pauseKinds, type PauseKind } from './pause-reasons.js';

/** What a daemon tells of the pauses that it keeps. */
export function pauseMetrics(
  keeper: Pick<PauseKeeper, 'news' | 'begun' | 'expired' | 'endsAt'>,
): readonly Metric[] {
  const reasons = (): readonly PauseKind[] => keeper.news.value.reasons.map(kindOfPause);
  return [
    gaugeBy(
      'reason',
      'pgcm_pause_active',
      'Whether clients are paused, by reason: the request of a switchover, a call of the API, a hold.',
      () => pauseKinds.map((reason) => [reason, reasons().includes(reason)]),
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
    counterBy('reason', 'pgcm_pauses_total', 'Pauses that were complete, by reason.', () => keeper.begun),
    counterBy(
      'reason',
      'pgcm_pauses_expired_total',
      'Pauses that nobody ended in time, by reason.',
      () => keeper.expired,
    ),
  ];
}
