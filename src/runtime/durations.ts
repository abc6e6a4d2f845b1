import type { Milliseconds } from '../domain/time.js';

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * Parses Go's notation of a duration (`500ms`, `1m30s`, `1.5h`, `0`), as time.ParseDuration does, to the
 * nanosecond. Negative spans are refused: no option of pgcm has a use for one.
 *
 * @returns the span in milliseconds, or undefined when the text is not a duration.
 */
export function parseDuration(signed: string): Milliseconds | undefined {
  const text = signed.startsWith('+') ? signed.slice(1) : signed;
  if (text === '0') return 0;
  if (
    !/^(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h)(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))*$/.test(
      text,
    )
  ) {
    return undefined;
  }
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    total += Number(number) * (UNITS[unit ?? ''] ?? Number.NaN);
  }
  return Number.isFinite(total) ? toNanosecond(total) : undefined;
}

/** Writes a span as Go's Duration.String does: `25s`, `1m0s`, `500ms`, `1h0m0s`. */
export function formatDuration(span: Milliseconds): string {
  if (span < 0) return `-${formatDuration(-span)}`;
  // Rounded first: 59999.9999999 ms is 1m0s, and not 60s.
  const ms = toNanosecond(span);
  if (ms === 0) return '0s';
  if (ms < 1e-3) return `${trim(ms * 1e6)}ns`;
  if (ms < 1) return `${trim(ms * 1_000)}µs`;
  if (ms < 1_000) return `${trim(ms)}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = `${trim((ms % 60_000) / 1_000)}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

function trim(n: number): string {
  return String(Number(n.toFixed(9)));
}

/** Go counts in whole nanoseconds; sums of fractions of a millisecond are off in the last bits. */
function toNanosecond(ms: number): number {
  const nanoseconds = Math.round(ms * 1e6);
  return Number.isSafeInteger(nanoseconds) ? nanoseconds / 1e6 : ms;
}
