import { cpuUsage, memoryUsage } from 'node:process';
import { gauge, counter, gaugeBy, type Metric } from '../domain/metrics.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import type { Vitals } from '../runtime/vitals.js';

/** What every daemon tells of itself. */
export function processMetrics(version: string, vitals: Vitals): readonly Metric[] {
  return [
    gaugeBy('version', 'pgcm_build_info', 'Always 1; the label says which pgcm runs.', () => [[version, 1]]),
    gauge(
      'pgcm_process_start_timestamp_seconds',
      'When the process was started, as seconds since 1970.',
      () => Math.round(performance.timeOrigin) / 1_000,
    ),
    gauge('pgcm_process_resident_memory_bytes', 'Memory of the process that is in RAM.', () =>
      memoryUsage.rss(),
    ),
    counter('pgcm_process_cpu_seconds_total', 'CPU time of the process, user and system.', () => {
      const { user, system } = cpuUsage();
      return (user + system) / 1e6;
    }),
    gaugeBy(
      'loop',
      'pgcm_loop_silence_seconds',
      'Since the last turn of each loop; /healthz and the watchdog bear some deadlines in a row.',
      () => vitals.silences.map(([name, ms]) => [name, ms / 1_000]),
    ),
  ];
}

export interface Source {
  readonly name: string;
  /** When its last answer was asked for, on the monotonic clock; undefined: it never answered. */
  readonly heardAt: () => Milliseconds | undefined;
}

/** How old is what is known. */
export function sourceMetric(sources: readonly Source[]): Metric {
  return gaugeBy(
    'source',
    'pgcm_source_age_seconds',
    'Since each source last answered; no sample: it never did.',
    () =>
      sources.map(({ name, heardAt }) => {
        const at = heardAt();
        return [name, at === undefined ? undefined : (monotonic() - at) / 1_000];
      }),
  );
}
