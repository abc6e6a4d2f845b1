import { machineClock } from '../../bench/clock.js';
import { FailoverRun } from '../acceptance/failover-run.js';
import { eventually } from '../support/eventually.js';
import type { Arena, Roles } from './arena.js';
import { holdPointOf, type FaultCase } from './cases.js';
import { evidenceOf, logMarks, type Marks } from './evidence.js';
import { expectationOf, primaryAfter, type ExpectedStatus } from './expectations.js';
import { HeldRun } from './held-run.js';
import { Load } from './load.js';
import { reportViolations } from './truth.js';
import { targetOf } from './victims.js';

/** Longer than the lease of a switchover's lock (10 s). */
const frozenMs = 12_000;
const pauseExpiryMs = 25_000;
/** A proxy's restart, by its watchdog. */
const restartMs = 15_000;
const lockFreeMs = 15_000;
const traceFreeMs = 60_000;

export interface CaseResult {
  readonly name: string;
  readonly status: ExpectedStatus | undefined;
  /** The longest time in which a bouncer's clients got no answer. */
  readonly longestSilence: number;
  readonly ms: number;
  /** What must not be; empty when all held. */
  readonly violations: readonly string[];
  /** With violations: the logs of the case. */
  readonly evidence: string;
}

/** What is known in the course of a case. Times are on the machine's clock. */
interface Course {
  readonly arena: Arena;
  readonly one: FaultCase;
  readonly roles: Roles;
  readonly load: Load;
  readonly run: FailoverRun;
  readonly startedAt: number;
  readonly marks: Marks;
  struckAt: number;
  /** Of a frozen victim; of a killed one when it was killed. */
  backAt: number;
  status: ExpectedStatus | undefined;
}

/** Runs one case on a cluster that is whole, and leaves it whole. Never throws for what the product does wrong. */
export async function runCase(arena: Arena, one: FaultCase): Promise<CaseResult> {
  const startedAt = machineClock();
  const { cluster } = arena;
  arena.cases += 1;
  const roles = await arena.roles();
  const marks = await logMarks(cluster);
  const load = await Load.start(cluster, `faults_${arena.cases}`);
  const held = await HeldRun.start(cluster, one.step, holdPointOf[one.step]);
  const { run } = held;
  const course: Course = {
    ...{ arena, one, roles, load, run, startedAt, marks },
    ...{ struckAt: 0, backAt: 0, status: undefined },
  };
  const violations: string[] = [];
  try {
    await collect(violations, course, [
      ['the fault', () => strike(course, held)],
      ['the end of the command', () => end(course)],
    ]);
    await collect(violations, course, afterwards);
  } finally {
    run.signal('SIGKILL');
    load.kill();
  }
  return {
    name: one.name,
    status: course.status,
    longestSilence: longestSilence(course),
    ms: machineClock() - startedAt,
    violations,
    evidence: violations.length === 0 ? '' : await evidenceOf(cluster, marks, run, load),
  };
}

type Check = readonly [what: string, check: (course: Course) => Promise<void> | void];

/** All of them, also after one that fails: together they tell what happened. */
async function collect(violations: string[], course: Course, checks: readonly Check[]): Promise<void> {
  for (const [what, check] of checks) {
    try {
      await check(course);
    } catch (error) {
      violations.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

async function strike(course: Course, held: HeldRun): Promise<void> {
  const { arena, one, roles, run } = course;
  await held.held();
  const victim = await targetOf(one.victim, roles, arena, run);
  const underWay = run.stepsUnderWay;
  course.struckAt = machineClock();
  await victim.strike(one.signal);
  await held.release();
  if (underWay.join() !== one.step) {
    throw new Error(`it struck when ${underWay.join() || 'no step'} was in progress, by the log`);
  }
  if (one.signal === 'SIGSTOP') {
    await eventually(() => machineClock() - course.struckAt >= frozenMs, {
      limit: 2 * frozenMs,
      every: 50,
    });
    await victim.thaw();
  }
  course.backAt = machineClock();
}

async function end(course: Course): Promise<void> {
  const { one, run } = course;
  const status = await run.status(120_000);
  course.status = status === -1 ? 'killed' : status;
  const { statuses } = expectationOf(one);
  if (statuses.includes(course.status)) return;
  throw new Error(`it ended with ${course.status}, expected ${statuses.join(' or ')}`);
}

/** In the order in which they come true; each within its own limit. */
const afterwards: readonly Check[] = [
  ['the lock', lockIsFree],
  ['the clients', clientsRunAgain],
  ['the primary', primaryIsRight],
  ['the errors of clients', noErrorsWhereNoneIsAllowed],
  ['the report', ({ arena, run, one, status }) => reportViolations(arena.cluster, run, one, status)],
  ['what is left', nothingIsLeft],
  ['the next failover', nextFailoverSucceeds],
  ['the cluster afterwards', ({ arena }) => arena.cluster.heal()],
  ['acknowledged writes', nothingIsLost],
  ['two primaries', onePrimary],
];

async function lockIsFree(course: Course): Promise<void> {
  const { arena, one } = course;
  // A living command releases it; a dead one's ends with its lease, a frozen one's, too.
  const since = one.victim === 'command' ? course.struckAt : machineClock();
  await eventually(async () => (await trying(() => arena.cluster.locks()))?.length === 0, {
    limit: Math.max(1_000, lockFreeMs - (machineClock() - since)),
    every: 200,
    what: `the lock is free ${lockFreeMs / 1_000} s after the fault`,
  });
}

async function clientsRunAgain(course: Course): Promise<void> {
  await course.load.untilAllRun(pauseExpiryMs + restartMs);
  const silence = longestSilence(course);
  if (silence > pauseExpiryMs + restartMs) {
    throw new Error(`a bouncer's clients waited for ${Math.round(silence / 100) / 10} s`);
  }
}

/** A frozen bouncer's clients wait for its thaw; that is not counted. */
function longestSilence({ load, one, startedAt, backAt }: Course): number {
  const silences = load.targets.map(({ name }) => {
    const frozen = one.victim === 'bouncer-app' && name === 'app01' && one.signal === 'SIGSTOP';
    return load.longestSilence(name, frozen ? Math.max(startedAt, backAt) : startedAt);
  });
  return Math.max(...silences);
}

async function primaryIsRight({ arena, one, roles, status }: Course): Promise<void> {
  if (status === undefined) return;
  const expected = primaryAfter(status, one.step);
  const limit = status === 'killed' ? traceFreeMs : 5_000;
  if (expected !== 'either') {
    await arena.untilPrimary(roles[expected], limit);
    return;
  }
  await eventually(() => arena.primariesNow().length === 1, {
    limit: traceFreeMs,
    every: 100,
    what: 'there is one primary',
  });
}

function noErrorsWhereNoneIsAllowed({ one, load, status, startedAt }: Course): void {
  if (status === undefined) return;
  const claimed = status === 0 || primaryAfter(status, one.step) === 'old';
  if (!claimed) return;
  const { errorsAt } = expectationOf(one);
  const errors = load.failures().filter(({ client }) => load.targetOf(client) !== errorsAt);
  if (errors.length === 0) return;
  const told = errors
    .slice(0, 5)
    .map((f) => `${load.targetOf(f.client)} after ${Math.round(f.done - startedAt)} ms: ${f.message}`);
  throw new Error(`${errors.length} at clients of a run that ended with ${status}: ${told.join('; ')}`);
}

async function nothingIsLeft({ arena, struckAt }: Course): Promise<void> {
  const { cluster } = arena;
  const left = async (): Promise<string | undefined> => {
    if (await cluster.hasConstraint()) return 'a constraint in Pacemaker';
    if ((await cluster.etcdctl('get', '--keys-only', '/pgcm/failover/request')) !== '')
      return 'the pause request';
    return undefined;
  };
  let last: string | undefined = 'not known';
  await eventually(
    async () => {
      const found = await trying(async () => ({ left: await left() }));
      last = found === undefined ? 'not known' : found.left;
      return last === undefined;
    },
    {
      limit: Math.max(1_000, traceFreeMs - (machineClock() - struckAt)),
      every: 500,
      what: 'nothing is left',
    },
  ).catch(() => {
    throw new Error(`${last ?? 'something'} is left ${traceFreeMs / 1_000} s after the fault`);
  });
}

/** A refusal touches nothing, and says what is not as it should be: then it is tried again for a minute. */
async function nextFailoverSucceeds({ arena, load }: Course): Promise<void> {
  const { cluster } = arena;
  const before = load.failures().length;
  const deadline = machineClock() + traceFreeMs;
  for (;;) {
    const run = await FailoverRun.start(cluster.playground, 'client01');
    const status = await run.status();
    if (status === 3 && machineClock() < deadline) continue;
    if (status !== 0) throw new Error(`it ended with ${status}: ${run.text}`);
    break;
  }
  const errors = load.failures().slice(before);
  if (errors.length > 0) {
    throw new Error(`${errors.length} errors of clients in it, such as: ${errors[0]?.message ?? ''}`);
  }
}

async function nothingIsLost({ load }: Course): Promise<void> {
  await load.untilAllRun(pauseExpiryMs + restartMs);
  await load.stop();
  const lost = await load.lost();
  if (lost.length > 0) {
    throw new Error(`${lost.length} are lost, such as the id ${lost.slice(0, 5).join(', ')}`);
  }
}

function onePrimary({ arena, startedAt }: Course): void {
  const found = arena.violations(startedAt);
  if (found.length > 0) throw new Error(found.join('; '));
}

/** etcd may be without a leader: then it is not known now, and asked again. */
async function trying<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch {
    return undefined;
  }
}
