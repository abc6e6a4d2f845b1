import type { Located } from '../domain/cluster.js';
import { describeError, hasCode, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { NodeApi } from '../domain/node-api.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { runWithDeadline, sleep } from '../runtime/deadline.js';
import { apiOf, mandateOf, planOf, type SwitchoverContext } from './context.js';

/** An answer that says for certain that the cluster manager was not asked. */
const refusals = [
  'no-sync-standby',
  'refused',
  'no-quorum',
  'no-primary',
  'two-primaries',
  'lock-lost',
] as const;

/** After so long without an answer the next node is asked as well: clients wait meanwhile. */
const HEAD_START: Milliseconds = 1_000;

/** With less time than this left, a request could only end in doubt. */
const ENOUGH_TO_ASK: Milliseconds = 100;

/** So many times pacemaker-timeout at most: for the answers, and then to settle what is in doubt. */
export const MOVE_TIMEOUTS = 2;

/**
 * Asks for the move, of the primary's node first. The request names the member and leaves a preference of
 * this switchover's own id, so another node may be asked as well when one does not answer: both ask for
 * the same thing. All nodes together have pacemaker-timeout for it.
 */
export async function requestMove(context: SwitchoverContext): Promise<Located> {
  const { log, options } = context;
  const plan = planOf(context);
  log.info(events.clientsMigrate, { target: plan.target }, 'requesting pacemaker migration');
  context.move = { kind: 'requested' };
  const asked: NodeApi[] = [];
  const failures: unknown[] = [];
  const work = async (signal: AbortSignal): Promise<Located> => {
    const deadline = monotonic() + options.pacemakerTimeout;
    const accepted = await firstOf(inOrder(context), deadline, signal, {
      ask: (api) => {
        asked.push(api);
        return api.migrate(plan.target, mandateOf(context), deadline - monotonic(), signal);
      },
      failures,
    });
    return accepted ?? (await settleDoubt(context, signal, failures));
  };
  try {
    return await runWithDeadline(
      'migrate',
      MOVE_TIMEOUTS * options.pacemakerTimeout,
      new AbortController().signal,
      work,
    );
  } catch (error) {
    // Where one node said nothing, it may have asked the cluster manager.
    const certain = failures.length === asked.length && failures.every((one) => hasCode(one, ...refusals));
    if (certain) context.move = { kind: 'not-begun' };
    throw error;
  }
}

/** The primary's own supervise is nearest to what stops first; then the target's, as it is alive. */
function inOrder(context: SwitchoverContext): readonly NodeApi[] {
  const { primary, target } = planOf(context);
  const first = [apiOf(context, primary), apiOf(context, target)].filter((api) => api !== undefined);
  return [...first, ...context.apis.filter((api) => !first.includes(api))];
}

interface Question<T> {
  readonly ask: (api: NodeApi) => Promise<T>;
  /** Gets each failure, in the order in which they came. */
  readonly failures: unknown[];
}

/**
 * The first answer. A node that fails without a certain answer, or takes long, is passed over: the next
 * one is asked as well. @returns undefined when none gave one
 */
async function firstOf<T>(
  apis: readonly NodeApi[],
  deadline: Milliseconds,
  signal: AbortSignal,
  { ask, failures }: Question<T>,
): Promise<T | undefined> {
  const underWay: Promise<{ readonly value: T } | undefined>[] = [];
  for (const api of apis) {
    if (failures.some((error) => !isSilence(error))) break;
    if (underWay.length > 0 && deadline - monotonic() < ENOUGH_TO_ASK) break;
    const one = ask(api).then(
      (value) => ({ value }),
      (error: unknown) => {
        failures.push(error);
        return undefined;
      },
    );
    underWay.push(one);
    const answered = await Promise.race([one, sleep(HEAD_START, signal)]);
    if (typeof answered === 'object') return answered.value;
  }
  const answers = underWay.map(async (one) => (await one) ?? Promise.reject(new Error('no answer')));
  const first = await Promise.any(answers).catch(() => undefined);
  return first?.value;
}

/** It is not known what that node did. */
function isSilence(error: unknown): boolean {
  return hasCode(error, 'unavailable', 'timed-out');
}

/** The answer may have got lost, and the move be under way: the cluster manager knows. */
async function settleDoubt(
  context: SwitchoverContext,
  signal: AbortSignal,
  failures: readonly unknown[],
): Promise<Located> {
  const { log, apis, options, holder } = context;
  const { target, targetAddress } = planOf(context);
  const refusal = failures.find((one) => !isSilence(one));
  const error = new PgcmError(
    refusal instanceof PgcmError ? refusal.code : 'unavailable',
    [...new Set(failures.map(describeError))].join('; '),
    { cause: refusal },
  );
  // One node that said no, and nobody else asked: nothing is in doubt.
  if (failures.length === 1 && hasCode(refusal, ...refusals)) throw error;
  const found = await Promise.all(
    apis.map(async (api) => {
      const inspection = await api.inspect(options.healthCheckTimeout, signal).catch(() => undefined);
      return inspection?.manager?.moves.includes(holder.id) === true;
    }),
  );
  if (!found.includes(true) || targetAddress === undefined) throw error;
  log.warn(
    events.clientsMigrate,
    { target, error: describeError(error) },
    'no node answered, but the move is asked for: waiting for it',
  );
  return { name: target, address: targetAddress };
}
