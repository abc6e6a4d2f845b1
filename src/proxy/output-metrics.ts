import { gaugeBy, type Metric } from '../domain/metrics.js';
import type { Latest } from '../runtime/latest.js';
import type { OutputState } from './output-keeper.js';

export interface OutputMetricsSources {
  readonly outputs: readonly Pick<Latest<OutputState>, 'value'>[];
}

export function outputMetrics(sources: OutputMetricsSources): readonly Metric[] {
  const states = (): readonly OutputState[] => sources.outputs.map(({ value }) => value);
  return [
    gaugeBy(
      'output',
      'pgcm_output_applied_revision',
      'The revision of the route that each [[output]] was last brought to.',
      () =>
        states().map(({ name, revision }) => [name, revision === undefined ? undefined : Number(revision)]),
    ),
    gaugeBy(
      'output',
      'pgcm_output_well',
      'Whether the last attempt to bring each [[output]] to the newest route succeeded.',
      () => states().map(({ name, revision, error }) => [name, revision !== undefined && error === '']),
    ),
  ];
}
