import type { SwitchoverPlan } from '../domain/switchover.js';
import { formatDuration } from '../runtime/durations.js';
import type { SwitchoverContext } from './context.js';
import { examine } from './examine.js';
import { expectedPause } from './expected-pause.js';
import { valueOf } from './facts.js';
import { describeWeighed } from './findings/finding.js';
import { exitStatus } from './outcome.js';
import type { Step } from './pipeline.js';

/** Checks, and touches nothing. @param steps those of a switchover */
export async function dryRun(
  context: SwitchoverContext,
  steps: readonly Step<SwitchoverContext>[],
  signal: AbortSignal,
): Promise<SwitchoverPlan> {
  const refusals = await examine(context, signal);
  const { plan, facts, findings } = context;
  const reports = (facts && valueOf(facts.history))?.reports ?? [];
  return {
    status: refusals.length === 0 ? exitStatus.done : exitStatus.refused,
    from: plan?.primary,
    to: plan?.target,
    steps: refusals.length > 0 ? [] : steps.map(({ name }) => ({ name, text: describeStep(name, context) })),
    refusals,
    findings: findings.filter((finding) => !refusals.includes(finding)),
    expected: expectedPause(reports),
  };
}

function describeStep(name: string, context: SwitchoverContext): string {
  const { options, plan, facts } = context;
  const proxies = ((facts && valueOf(facts.proxies))?.proxies ?? []).filter(
    ({ id }) => !plan?.exempt.has(id),
  );
  const from = plan?.primary ?? '';
  const to = plan?.target ?? '';
  const span = (ms: number | 'never'): string => (ms === 'never' ? 'without end' : formatDuration(ms));
  const { checkpointTimeout: checkpoint, rejoinTimeout: rejoin, terminateBlockers: terminate } = options;
  const texts: Readonly<Record<string, string>> = {
    check: 'look at every node, PgBouncer and proxy, and at etcd: as now',
    lock: `take the failover lock, waiting at most ${span(options.lockTimeout)}, and look again`,
    checkpoint:
      checkpoint === 'skip'
        ? 'nothing (no-checkpoint)'
        : `two checkpoints on ${from}, in at most ${span(checkpoint)}`,
    pause: `${terminate === undefined ? '' : `end transactions older than ${span(terminate)}; `}pause the clients of ${proxies.length} proxies (${proxies.map(({ id }) => id).join(', ')}) and of the nodes without one, for at most ${span(options.pauseExpiry)}`,
    migrate: `move the primary from ${from} to ${to}, which has ${span(options.promoteTimeout)} to take writes`,
    release: `let clients go on at ${to}`,
    unmigrate: 'take back the preference that the move left in the cluster manager',
    rejoin:
      rejoin === 'skip'
        ? 'nothing (no-rejoin)'
        : `bring ${from} back as a standby, in at most ${span(rejoin)}`,
    unlock: 'give back the lock',
  };
  return texts[name] ?? '';
}

/** For a person. */
export function describeDryRun({ from, to, steps, findings, refusals, expected }: SwitchoverPlan): string {
  const lines: string[] = [];
  if (refusals.length > 0) lines.push('A failover would be refused:');
  else lines.push(`A failover would move the primary from ${from ?? '?'} to ${to ?? '?'}:`);
  steps.forEach(({ name, text }, index) => lines.push(`  ${index + 1}. ${name}: ${text}`));
  for (const finding of refusals) lines.push(`  ${describeWeighed(finding, false)}`);
  if (findings.length > 0) lines.push('Worth knowing:');
  // What could be overridden and does not refuse was.
  for (const finding of findings) lines.push(`  ${describeWeighed(finding, true)}`);
  lines.push(
    expected === undefined
      ? 'How long clients would wait is not known.'
      : `Clients would wait about ${formatDuration(Math.round(expected.median))} (the median of the last ${expected.count} switchovers; the longest: ${formatDuration(Math.round(expected.longest))}).`,
  );
  return `${lines.join('\n')}\n`;
}
