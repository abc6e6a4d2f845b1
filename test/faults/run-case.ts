import { machineClock } from '../../bench/clock.js';
import type { Arena } from './arena.js';
import { afterwards } from './afterwards.js';
import { holdPointOf, type FaultCase } from './cases.js';
import { collect, longestSilence, type Course } from './course.js';
import { evidenceOf, logMarks } from './evidence.js';
import { expectationOf, type ExpectedStatus } from './expectations.js';
import { HeldRun } from './held-run.js';
import { Load } from './load.js';
import { eventually } from '../support/eventually.js';
import { targetOf } from './victims.js';

/** Longer than the lease of a switchover's lock (10 s). */
const frozenMs = 12_000;

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

/** Runs one case on a cluster that is whole, and leaves it whole. Never throws for what the product does wrong. */
export async function runCase(arena: Arena, one: FaultCase): Promise<CaseResult> {
  const startedAt = machineClock();
  const { cluster } = arena;
  arena.cases += 1;
  const roles = await arena.roles();
  const marks = await logMarks(cluster);
  const load = await Load.start(cluster, `faults_${arena.cases}`);
  const held = await HeldRun.at(cluster, one.step, holdPointOf[one.step]).catch((error: unknown) => {
    load.kill();
    throw error;
  });
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

async function strike(course: Course, held: HeldRun): Promise<void> {
  const { arena, one, roles, run } = course;
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
