import type { Milliseconds } from '../domain/time.js';

/** How units of bytes are written in PostgreSQL. */
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** `16 MB`; a dash when it is not known. */
export function bytes(count: number | undefined): string {
  if (count === undefined) return '-';
  const step = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10));
  return `${Math.round((count / 1_024 ** step) * 10) / 10} ${UNITS[step] ?? 'B'}`;
}

/** `80 ms`, `2.7 s`. */
export function span(ms: Milliseconds): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** How long ago a date was, roughly: `3d4h`, `12m`, `5s`; from another machine's clock, so it may lie. */
export function age(date: string, now: string): string {
  const seconds = Math.max(0, Math.floor((Date.parse(now) - Date.parse(date)) / 1_000));
  if (!Number.isFinite(seconds)) return 'an unknown time';
  const [days, hours, minutes] = [seconds / 86_400, (seconds / 3_600) % 24, (seconds / 60) % 60].map(
    Math.floor,
  );
  if (days) return `${days}d${hours}h`;
  if (hours) return `${hours}h${minutes}m`;
  return minutes ? `${minutes}m${seconds % 60}s` : `${seconds}s`;
}
