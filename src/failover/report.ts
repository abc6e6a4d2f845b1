import type { SwitchoverReport } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import { formatDuration } from '../runtime/durations.js';
import { addressOf } from './candidates.js';
import type { SwitchoverContext } from './context.js';
import { describeWeighed } from './findings/finding.js';
import type { Outcome } from './outcome.js';
import type { PipelineResult } from './pipeline.js';

/** What a run did, for the history and for who started it. */
export function reportOf(
  context: SwitchoverContext,
  { steps }: Pick<PipelineResult, 'steps'>,
  outcome: Outcome,
  elapsed: Milliseconds,
): SwitchoverReport {
  const { holder, findings, pausing, options } = context;
  return {
    id: holder.id,
    host: holder.host,
    pid: holder.pid,
    startedAt: holder.since,
    elapsed,
    outcome: outcome.name,
    status: outcome.status,
    message: outcome.message,
    from: fromOf(context),
    to: toOf(context),
    steps,
    findings,
    forced: options.force,
    pause: pausing?.until === undefined ? 0 : Math.round(pausing.until - pausing.since),
    longestWait: longestWait(context),
  };
}

function fromOf({ plan, facts, pausing }: SwitchoverContext): SwitchoverReport['from'] {
  if (plan === undefined || facts === undefined) return undefined;
  const address = pausing?.from.address ?? addressOf(facts, plan.primary) ?? '';
  return { name: plan.primary, address };
}

function toOf({ plan, move }: SwitchoverContext): SwitchoverReport['to'] {
  if ('target' in move) return move.target;
  return plan === undefined ? undefined : { name: plan.target, address: plan.targetAddress ?? '' };
}

/** As the proxies saw it; undefined when none was paused. */
function longestWait({ watched, pausing }: SwitchoverContext): Milliseconds | undefined {
  const states = watched?.proxies.newest?.proxies.filter(({ id }) => pausing?.proxies.has(id)) ?? [];
  return states.length === 0 ? undefined : Math.max(...states.map(({ longestWait: wait }) => wait));
}

/** For a person. */
export function describeReport(report: SwitchoverReport): string {
  const { outcome, status, message, from, to, steps, findings, forced, pause } = report;
  const { longestWait: longest } = report;
  const lines = [`${outcome} (exit status ${status}): ${message}`];
  if (from !== undefined && to !== undefined) lines.push(`  from ${from.name} to ${to.name}`);
  if (pause > 0) {
    const wait =
      longest === undefined
        ? ''
        : `, the longest wait seen by a bouncer ${formatDuration(Math.round(longest))}`;
    lines.push(`  clients were paused for ${formatDuration(pause)}${wait}`);
  }
  const width = Math.max(0, ...steps.map(({ name }) => name.length));
  for (const { name, ms, error } of steps) {
    // What the first line says is not said again: it may be long.
    const told = message.includes(error) ? 'failed, as said above' : error;
    const trouble = error === '' ? '' : `  ${told}`;
    lines.push(`  ${name.padEnd(width)}  ${`${Math.round(ms)} ms`.padStart(9)}${trouble}`);
  }
  lines.push(...findings.map((finding) => `  ${describeWeighed(finding, forced)}`));
  return `${lines.join('\n')}\n`;
}
