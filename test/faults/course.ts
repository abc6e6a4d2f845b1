import type { FailoverRun } from '../acceptance/failover-run.js';
import type { Arena, Roles } from './arena.js';
import type { FaultCase } from './cases.js';
import type { Marks } from './evidence.js';
import type { ExpectedStatus } from './expectations.js';
import type { Load } from './load.js';

/** What is known in the course of a case. Times are on the machine's clock. */
export interface Course {
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

export type Check = readonly [what: string, check: (course: Course) => Promise<void> | void];

/** All of them, also after one that fails: together they tell what happened. */
export async function collect(violations: string[], course: Course, checks: readonly Check[]): Promise<void> {
  for (const [what, check] of checks) {
    try {
      await check(course);
    } catch (error) {
      violations.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** A frozen bouncer's clients wait for its thaw; that is not counted. */
export function longestSilence({ load, one, backAt }: Course): number {
  const silences = load.targets.map(({ name }) => {
    const frozen = one.victim === 'bouncer-app' && name === 'app01' && one.signal === 'SIGSTOP';
    return load.longestSilence(name, frozen ? Math.max(load.startedAt, backAt) : load.startedAt);
  });
  return Math.max(...silences);
}
