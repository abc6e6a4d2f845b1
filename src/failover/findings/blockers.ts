import type { OpenTransaction } from '../../domain/inspection.js';
import type { Finding } from '../../domain/switchover.js';
import type { Milliseconds } from '../../domain/time.js';
import { formatDuration } from '../../runtime/durations.js';
import { primaryNode, valueOf, type Facts } from '../facts.js';
import { notice, overridable } from './finding.js';

export interface BlockerOptions {
  readonly pauseTimeout: Milliseconds;
  readonly terminateBlockers: Milliseconds | undefined;
}

/** One that waits for its client for so long may do so for much longer. */
const IDLE: Milliseconds = 1_000;

/** Transactions on the primary that a pause would wait for, perhaps in vain. */
export function blockerFindings(facts: Facts, options: BlockerOptions): readonly Finding[] {
  const primary = primaryNode(facts);
  const transactions = (primary && valueOf(primary.inspection))?.postgres?.transactions ?? [];
  return blockersAmong(transactions, options, primary?.name ?? '');
}

export function blockersAmong(
  transactions: readonly OpenTransaction[],
  { pauseTimeout, terminateBlockers }: BlockerOptions,
  subject: string,
): readonly Finding[] {
  return transactions.flatMap((transaction) => {
    const { age, state } = transaction;
    const ended = terminateBlockers !== undefined && age >= terminateBlockers;
    if (ended) {
      return [
        notice({ kind: 'blocker', subject, text: `${describe(transaction)}: it is ended before the pause` }),
      ];
    }
    const idle = state.startsWith('idle in transaction') && age >= Math.min(IDLE, pauseTimeout);
    if (!idle && age < pauseTimeout) return [];
    return [
      overridable({
        kind: 'blocker',
        subject,
        text: `${describe(transaction)}: the pause would wait for it, for at most pause-timeout (${formatDuration(pauseTimeout)})`,
        wayOut: `wait for it, end it (pg_terminate_backend(${transaction.pid})), or use --terminate-blockers`,
      }),
    ];
  });
}

export function describe({
  pid,
  user,
  database,
  application,
  address,
  age,
  state,
  query,
}: OpenTransaction): string {
  const who = [`user ${user}`, `database ${database}`];
  if (application !== '') who.push(`application ${application}`);
  if (address !== '') who.push(`from ${address}`);
  return `pid ${pid} (${who.join(', ')}) has a transaction open for ${formatDuration(Math.round(age))}, ${state}: ${query}`;
}
