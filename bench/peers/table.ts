/** The comparison as Markdown. Pure. */
import type { Spread } from '../measure.js';
import type { PeerEvent } from './contender.js';
import type { PeerFigures } from './peer-figures.js';

export interface Row {
  readonly title: string;
  readonly figures: PeerFigures;
}

const captions: Readonly<Record<PeerEvent, string>> = {
  switchover: 'planned switchover',
  loss: "loss of the primary's host",
};

const columns = ['no write for', 'slowest write', 'errors', 'most for one client', 'lost', 'in doubt'];

/** Medians, with the range over the runs in parentheses. */
export function table(event: PeerEvent, rows: readonly Row[]): string[] {
  return [
    line([captions[event], ...columns]),
    line(['---', ...columns.map(() => '---:')]),
    ...rows.map(({ title, figures }) => line([title, ...cells(figures)])),
  ];
}

function cells(figures: PeerFigures): string[] {
  const { stall_ms, max_wait_ms, errors, errors_per_client_max, lost, doubt } = figures;
  return [
    withRange(stall_ms, seconds, ' s'),
    withRange(max_wait_ms, seconds, ' s'),
    withRange(errors, String),
    ...[errors_per_client_max, lost, doubt].map(String),
  ];
}

function withRange({ min, median, max }: Spread, show: (value: number) => string, unit = ''): string {
  const [least, middle, most] = [min, median, max].map(show);
  return least === most ? `${middle}${unit}` : `${middle}${unit} (${least}–${most})`;
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(2);
}

function line(cellsOfLine: readonly string[]): string {
  return `| ${cellsOfLine.join(' | ')} |`;
}
