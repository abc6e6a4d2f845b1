import { PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { NodeInspection } from '../domain/inspection.js';
import { formatDuration } from '../runtime/durations.js';
import { insist } from './asking.js';
import { apiOf, mandateOf, planOf, type SwitchoverContext } from './context.js';
import { inspectionTimeout } from './facts.js';
import { requireNone } from './examine.js';
import { refusing } from './findings/all.js';
import { blockersAmong, describe } from './findings/blockers.js';
import { runWithDeadline } from '../runtime/deadline.js';

/**
 * Looks once more, right before clients wait, whether a transaction would keep the pause waiting, and
 * ends those that are to be ended. The checkpoint may have taken a minute since the check.
 */
export async function clearTheWay(context: SwitchoverContext, signal: AbortSignal): Promise<void> {
  const { options } = context;
  if (options.force && options.terminateBlockers === undefined) return;
  const { primary } = planOf(context);
  let postgres = await transactionsOn(context, signal);
  if (options.terminateBlockers !== undefined && (await terminate(context, postgres, signal))) {
    postgres = await transactionsOn(context, signal);
  }
  requireNone(
    refusing(
      blockersAmong(postgres?.transactions ?? [], { ...options, terminateBlockers: undefined }, primary),
      options,
    ),
  );
}

async function transactionsOn(
  context: SwitchoverContext,
  signal: AbortSignal,
): Promise<NodeInspection['postgres']> {
  const timeout = inspectionTimeout(context.options);
  const api = primaryApi(context);
  const inspection = await runWithDeadline('looking for blockers', 2 * timeout, signal, (on) =>
    insist(on, () => api.inspect(timeout, on)),
  );
  return inspection.postgres;
}

/** @returns whether any was ended */
async function terminate(
  context: SwitchoverContext,
  postgres: NodeInspection['postgres'],
  signal: AbortSignal,
): Promise<boolean> {
  const { options, log } = context;
  const olderThan = options.terminateBlockers;
  if (olderThan === undefined) return false;
  const { primary } = planOf(context);
  const old = (postgres?.transactions ?? []).filter(({ age }) => age >= olderThan);
  if (old.length === 0) return false;
  for (const transaction of old) {
    log.warn(events.blockersTerminate, { node: primary, pid: transaction.pid }, describe(transaction));
  }
  const { healthCheckTimeout } = options;
  const ended = await primaryApi(context).terminate(
    { olderThan },
    mandateOf(context),
    healthCheckTimeout,
    signal,
  );
  for (const { pid, user, age } of ended) {
    log.warn(
      events.blockersTerminate,
      { node: primary, pid, user, age: formatDuration(Math.round(age)) },
      'ended a transaction that a pause would have waited for',
    );
  }
  return ended.length > 0;
}

function primaryApi(context: SwitchoverContext): NonNullable<ReturnType<typeof apiOf>> {
  const { primary } = planOf(context);
  const api = apiOf(context, primary);
  if (api === undefined) throw new PgcmError('unavailable', `no endpoint is of ${primary}`);
  return api;
}
