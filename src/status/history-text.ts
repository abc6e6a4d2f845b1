import type { HistoryListing } from '../domain/stores.js';
import type { Finding, SwitchoverReport } from '../domain/switchover.js';
import { plain } from './columns.js';
import { span } from './words.js';

/** The history for people, the newest first. */
export function historyText({ reports, problems }: HistoryListing): string {
  if (reports.length + problems.length === 0) return 'There are no reports of failovers.\n';
  const unreadable = problems.map((problem) => [`not understood: ${problem}`]);
  return [...reports.map(reportLines), ...unreadable]
    .map((lines) => `${lines.map(plain).join('\n')}\n`)
    .join('\n');
}

function reportLines(report: SwitchoverReport): readonly string[] {
  const { from, to, longestWait } = report;
  const move = `${from?.name ?? 'not known'} -> ${to?.name ?? 'not known'}`;
  const waited = longestWait === undefined ? '' : `, the longest wait was ${span(longestWait)}`;
  const clients =
    report.pause === 0 ? 'nobody was paused' : `clients paused for ${span(report.pause)}${waited}`;
  return [
    `${report.startedAt}  ${report.outcome} (exit status ${report.status})  ${move}`,
    `  ${report.message}`,
    `  took ${span(report.elapsed)}; ${clients}`,
    ...(report.steps.length === 0
      ? []
      : [`  ${report.steps.map(({ name, ms }) => `${name} ${span(ms)}`).join(', ')}`]),
    ...report.steps
      .filter(({ error }) => error !== '')
      .map(({ name, error }) => `  failed: ${name}: ${error}`),
    ...report.findings.map((finding) => findingLine(finding, report.forced)),
    `  switchover ${report.id}, on ${report.host}, pid ${report.pid}`,
  ];
}

function findingLine({ weight, kind, subject, text, wayOut }: Finding, forced: boolean): string {
  const about = subject === '' ? '' : ` ${subject}`;
  const word = forced && weight === 'overridable' ? 'overridden by --force' : weight;
  return `  ${word} (${kind}):${about} ${text}${wayOut === '' ? '' : `: ${wayOut}`}`;
}
