import { machineClock } from '../../bench/clock.js';
import { FailoverRun } from '../acceptance/failover-run.js';
import { eventually } from '../support/eventually.js';
import { longestSilence, type Check, type Course } from './course.js';
import { expectationOf, primaryAfter } from './expectations.js';
import { reportViolations } from './truth.js';

const pauseExpiryMs = 25_000;
/** A proxy's restart, by its watchdog. */
const restartMs = 15_000;
const lockFreeMs = 15_000;
const traceFreeMs = 60_000;

/** In the order in which they come true; each within its own limit. */
export const afterwards: readonly Check[] = [
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
    if (status !== 0) throw new Error(`it ended with ${status}: ${lastWord(run)}`);
    break;
  }
  const errors = load.failures().slice(before);
  if (errors.length > 0) {
    throw new Error(`${errors.length} errors of clients in it, such as: ${errors[0]?.message ?? ''}`);
  }
}

function lastWord({ lines, text }: FailoverRun): string {
  const end = lines.find(({ event }) => event === 'failover.end');
  return typeof end?.['msg'] === 'string' ? end['msg'] : text;
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
