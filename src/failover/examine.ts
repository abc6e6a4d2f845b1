import { parseAddress } from '../domain/address.js';
import { PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Finding } from '../domain/switchover.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { sleep } from '../runtime/deadline.js';
import { addressOf } from './candidates.js';
import type { Plan, SwitchoverContext } from './context.js';
import { gather, primaryNode, valueOf } from './facts.js';
import { findingsOf, refusing } from './findings/all.js';
import { describeFinding } from './findings/finding.js';
import { chooseTarget } from './findings/replication.js';

/** One look at everything; what came of it is in the context. @returns what a run is refused for */
export async function examine(context: SwitchoverContext, signal: AbortSignal): Promise<readonly Finding[]> {
  const facts = await gather(context, context.options, signal);
  context.facts = facts;
  context.findings = findingsOf(facts, context.options, context.holder.id);
  context.plan = planFrom(context);
  return refusing(context.findings, context.options);
}

/** About whose clients nothing is waited for, once they are overridden. */
const goneOnWithout: ReadonlySet<string> = new Set(['stale-proxy', 'bouncer-silent', 'clients-held']);

function planFrom({ facts, options, findings }: SwitchoverContext): Plan | undefined {
  const primary = facts && primaryNode(facts);
  const target = facts && chooseTarget(facts, options);
  const postgres = primary && valueOf(primary.inspection)?.postgres;
  if (facts === undefined || primary === undefined || target === undefined || postgres === undefined) {
    return undefined;
  }
  const address = addressOf(facts, target);
  const outOfOrder = findings.filter(({ kind }) => goneOnWithout.has(kind));
  return {
    primary: primary.name,
    timeline: postgres.timeline,
    target,
    targetAddress: address === undefined ? undefined : parseAddress(address),
    exempt: new Set(outOfOrder.map(({ subject }) => subject)),
  };
}

/**
 * What ends by itself, and how long that may take: an action that Pacemaker is about to do, what a dead run
 * left until a supervise removes it, a supervise that starts again, a hold after a probe that got no answer.
 */
const settling: Readonly<Record<string, Milliseconds>> = {
  'pending-action': 10_000,
  'leftover-move': 20_000,
  unreachable: 3_000,
  'clients-held': 3_000,
};

/** The longest that `settled` waits, for a deadline around it. */
export const SETTLED_WITHIN: Milliseconds = Math.max(...Object.values(settling));

const INTERVAL: Milliseconds = 300;

/** Examines until nothing refuses, or something does that does not end by itself. */
export async function settled(context: SwitchoverContext, signal: AbortSignal): Promise<readonly Finding[]> {
  const startedAt = monotonic();
  let said = '';
  for (;;) {
    const refusals = await examine(context, signal);
    const waited = monotonic() - startedAt;
    const patient = refusals.every(({ kind }) => waited < (settling[kind] ?? 0));
    if (refusals.length === 0 || !patient) return refusals;
    const reasons = refusals.map(describeFinding).join('; ');
    if (reasons !== said) context.log.info(events.checkWaiting, {}, reasons);
    said = reasons;
    await sleep(INTERVAL, signal);
  }
}

/** @throws PgcmError `refused` when something refuses a run, with each reason and the way out */
export function requireNone(refusals: readonly Finding[]): void {
  if (refusals.length === 0) return;
  const force = refusals.every(({ weight }) => weight === 'overridable');
  const hint = force ? '; --force goes on in spite of that' : '';
  throw new PgcmError('refused', `${refusals.map(describeFinding).join('; ')}${hint}`);
}
