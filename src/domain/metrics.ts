/** One value of a metric, now. */
export interface Sample {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * Something that is counted or measured, declared beside the code that it tells of. Nothing is stored for it: it is
 * read from that code's state when somebody asks.
 */
export interface Metric {
  /** `pgcm_...`, the unit at its end. */
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly labels: readonly string[];
  /** No sample: it is not known, or there is nothing to tell. */
  readonly read: () => readonly Sample[];
}

type Value = number | boolean | undefined;

/** A gauge without labels. A boolean is 1 or 0. */
export function gauge(name: string, help: string, read: () => Value): Metric {
  return { name, type: 'gauge', help, labels: [], read: () => samplesOf(read()) };
}

/** A count that only grows as long as the process lives. */
export function counter(name: string, help: string, read: () => Value): Metric {
  return { ...gauge(name, help, read), type: 'counter' };
}

/** A gauge with one sample for each value of a label. */
export function gaugeBy(
  label: string,
  name: string,
  help: string,
  read: () => Iterable<readonly [label: string, value: Value]>,
): Metric {
  const samples = (): readonly Sample[] =>
    [...read()].flatMap(([text, value]) =>
      samplesOf(value).map((sample) => ({ ...sample, labels: { [label]: text } })),
    );
  return { name, type: 'gauge', help, labels: [label], read: samples };
}

export function counterBy(...args: Parameters<typeof gaugeBy>): Metric {
  return { ...gaugeBy(...args), type: 'counter' };
}

function samplesOf(value: Value): readonly Sample[] {
  return value === undefined ? [] : [{ value: Number(value) }];
}
