import { runFailover } from '../../bench/failover-command.js';
import { messageOf } from '../../playground/errors.js';
import { cutOff, staleSuccessor, lostClaim, powerAtChange } from './compound.js';
import type { PlannedFault } from './course.js';
import type { ProcessName } from './kinds.js';
import { fillDisk, freeDisk, misroute, signalProcess, type Reach } from './inside-host.js';
import { power, type Struck } from './power.js';
import { chosenBy } from './random.js';
import type { Site } from './site.js';

/** @returns undefined when there is nobody whom it could strike */
export async function strike(
  site: Site,
  fault: PlannedFault,
  say: (what: string) => void,
  signal: AbortSignal,
): Promise<Struck | undefined> {
  const { kind } = fault;
  const [draw = 0] = fault.draws;
  switch (kind) {
    case 'power primary':
      return power(site, [await site.primary()], fault);
    case 'power standby':
      return power(site, [await site.standby(draw)], fault);
    case 'power primary and standby':
      return power(site, [await site.primary(), await site.standby(draw)], fault);
    case 'power app':
      return power(site, ['app01'], fault);
    case 'cold start':
      return power(site, [...(await site.nodes()), 'app01'], fault);
    case 'cut primary':
      return cut(site, await site.primary());
    case 'cut standby':
      return cut(site, await site.standby(draw));
    case 'cut app':
      return cut(site, 'app01');
    case 'cut between':
      return cutBetween(site, fault, 'both ways');
    case 'cut one way':
      return cutBetween(site, fault, 'one way');
    case 'cut off primary':
      return cutOff(site);
    case 'power at a change':
      return powerAtChange(site, fault);
    case 'stale successor':
      return staleSuccessor(site, fault);
    case 'lost claim':
      return lostClaim(site, fault);
    case 'full disk':
      return fullDisk(site, await site.node(draw));
    case 'move':
      return move(site, say, signal);
    default: {
      const [verb, name] = kind.split(' ') as ['kill' | 'stop', ProcessName];
      return processFault(site, verb, name, fault);
    }
  }
}

async function cut(site: Site, victim: string | undefined): Promise<Struck | undefined> {
  if (victim === undefined) return undefined;
  const { playground } = site.cluster;
  await playground.cut(victim);
  return {
    whom: victim,
    end: async () => {
      await playground.heal(victim);
      return `${victim} connected again`;
    },
  };
}

/** What one sends to the other goes nowhere, as with a switch that has lost a path; all others hear both. */
async function cutBetween(site: Site, { draws }: PlannedFault, reach: Reach): Promise<Struck | undefined> {
  const [one = 0, two = 0] = draws;
  const first = await site.node(one);
  const second = chosenBy(
    two,
    (await site.nodes()).filter((name) => name !== first),
  );
  if (first === undefined || second === undefined) return undefined;
  const heal = await misroute(site, first, second, reach);
  return {
    whom: `${first} ${reach === 'one way' ? 'to' : 'and'} ${second}`,
    end: async () => {
      await heal();
      return `${first} and ${second} hear each other again`;
    },
  };
}

async function fullDisk(site: Site, victim: string | undefined): Promise<Struck | undefined> {
  if (victim === undefined) return undefined;
  await fillDisk(site, victim);
  return {
    whom: victim,
    end: async () => {
      await freeDisk(site, victim);
      return `${victim} has room on its disk again`;
    },
  };
}

/** Not waited for: others strike while it is under way. */
function move(site: Site, say: (what: string) => void, signal: AbortSignal): Promise<Struck> {
  const run = runFailover(site.cluster.playground, 'client01', { format: 'json', signal }).then(
    ({ status, started, ended, lines }) => {
      const last = lines.findLast(({ event }) => event === 'failover.end');
      const message = last?.fields['msg'];
      const text = (typeof message === 'string' ? message : (lines.at(-1)?.text ?? '')).slice(0, 160);
      say(`the move ended with ${status} after ${Math.round(ended - started)} ms: ${text}`);
    },
    (error: unknown) => say(`the move did not end: ${messageOf(error)}`),
  );
  site.commands.push(run);
  return Promise.resolve({ whom: 'by pgcm failover' });
}

async function processFault(
  site: Site,
  verb: 'kill' | 'stop',
  name: ProcessName,
  { draws }: PlannedFault,
): Promise<Struck | undefined> {
  const [which = 0, all = 0] = draws;
  const victim = await site.node(which);
  if (victim === undefined) return undefined;
  // A frozen postmaster's backends go on; a frozen machine's do not.
  const target = name === 'postgres' && verb === 'stop' && all < 0.5 ? 'all of postgres' : name;
  const pids = await signalProcess(site, victim, target, verb === 'kill' ? 'KILL' : 'STOP');
  if (pids === '') return undefined;
  const whom = `${target} on ${victim} (${pids})`;
  if (verb === 'kill') return { whom };
  return {
    whom,
    end: async () => {
      await site.attempt(victim, 'sh', '-c', `kill -CONT ${pids} 2>/dev/null`);
      return `${target} on ${victim} goes on`;
    },
  };
}
