import { switchoverReport } from '../../src/records/switchover-report.js';
import type { SwitchoverReport } from '../../src/domain/switchover.js';
import type { Cluster } from '../acceptance/cluster.js';
import type { FailoverRun } from '../acceptance/failover-run.js';
import type { FaultCase } from './cases.js';
import type { ExpectedStatus } from './expectations.js';

/**
 * Holds the exit status against the log and against the report in etcd: all three tell the same.
 * @throws Error with what does not fit
 */
export async function reportViolations(
  cluster: Cluster,
  run: FailoverRun,
  one: FaultCase,
  status: ExpectedStatus | undefined,
): Promise<void> {
  const end = run.lines.find((line) => line.event === 'failover.end');
  const lock = run.lines.find((line) => line.event === 'etcd.lock.acquire');
  const id = end?.['id'] ?? lock?.['id'];
  const report = (await reportsOf(cluster)).find((one) => one.id === id);
  const wrong = contradictions(status, end?.['status'], report, mustReport(one));
  if (wrong.length > 0) throw new Error(wrong.join('; '));
}

/**
 * A command that is killed writes nothing, and an etcd that elects a leader takes no report. One that was frozen
 * and has lost its lock may leave one: the report is the one write that the lock does not guard. It need not.
 */
function mustReport({ victim }: FaultCase): boolean {
  return victim !== 'command' && !victim.startsWith('etcd-');
}

/** @param required whether a run that touched anything must have left a report */
export function contradictions(
  status: ExpectedStatus | undefined,
  logged: unknown,
  report: SwitchoverReport | undefined,
  required: boolean,
): readonly string[] {
  if (status === 'killed') {
    const told = `a run that was killed reported its end`;
    return [...(logged === undefined ? [] : [`${told} in the log`]), ...(report ? [`${told} in etcd`] : [])];
  }
  const wrong: string[] = [];
  if (logged !== status) wrong.push(`the log's last word is status ${String(logged)}, not ${status}`);
  if (report === undefined) {
    // When it was refused nothing was begun.
    if (status !== 3 && required) wrong.push('it left no report in etcd');
    return wrong;
  }
  if (report.status !== status) wrong.push(`the report says status ${report.status}, not ${status}`);
  const failed = report.steps.filter(({ error }) => error !== '').map(({ name }) => name);
  if (status === 0 && failed.length > 0) wrong.push(`done, though by the report ${failed.join(', ')} failed`);
  if (status !== 0 && failed.length === 0) wrong.push(`status ${status}, and no step of the report failed`);
  if (report.message === '') wrong.push('the report does not say what is true now');
  return wrong;
}

async function reportsOf(cluster: Cluster): Promise<readonly SwitchoverReport[]> {
  const values = await cluster.etcdctl('get', '--prefix', '--print-value-only', '/pgcm/history/');
  return values
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => switchoverReport.parse(Buffer.from(line), 'a report'));
}
