import { onLine } from '../../playground/lines.js';
import type { PlannedFault } from './course.js';
import { misroute, signalProcess } from './inside-host.js';
import { chosenBy } from './random.js';
import type { Site } from './site.js';
import { power, type Struck } from './power.js';

/** Faults that come in a certain order, as chance seldom has it, and those that hurt most. */

const recordKey = '/pgcm/entitlement';
const etcdctl = ['env', 'ETCDCTL_API=3', 'etcdctl'] as const;
const endpoints = '--endpoints=10.77.0.11:2379,10.77.0.12:2379,10.77.0.13:2379';
const changeMs = 4_000;
/** In which a standby that hears nothing still counts as one that streams, and clients are answered without it. */
const behindMs = 700;
const claimMs = 8_000;
/** In which clients write to a primary that may not answer them yet. */
const unconfirmedMs = 1_000;

/** PostgreSQL of the entitled standby dies, and when the record of who may be promoted has changed the primary is lost. */
export async function powerAtChange(site: Site, fault: PlannedFault): Promise<Struck | undefined> {
  const primary = await site.primary();
  const entitled = await entitledStandby(site, primary, fault.draws[0] ?? 0);
  if (primary === undefined || entitled === undefined) return undefined;
  const change = recordChange(site, changeMs);
  await signalProcess(site, entitled, 'postgres', 'KILL');
  const when = (await change) ? 'then, when the record had changed,' : 'then';
  const struck = await power(site, [primary], fault);
  return struck && { ...struck, whom: `PostgreSQL of ${entitled}, ${when} ${primary}` };
}

/**
 * One standby does not hear the primary any more and falls behind, the other one's PostgreSQL dies, and as soon as the first
 * could have been entitled in its place the primary is lost. Whoever is promoted then has to have everything. (A standby that
 * is frozen would not do: what it was sent waits in its socket.)
 */
export async function staleSuccessor(site: Site, fault: PlannedFault): Promise<Struck | undefined> {
  const primary = await site.primary();
  const entitled = await entitledStandby(site, primary, fault.draws[0] ?? 0);
  const other = (await site.nodes()).find((name) => name !== primary && name !== entitled);
  if (primary === undefined || entitled === undefined || other === undefined) return undefined;
  // It ends with the primary's power.
  await misroute(site, primary, other, 'one way');
  await site.wait(behindMs);
  const change = recordChange(site, 1_500 + 1_500 * (fault.draws[6] ?? 0));
  await signalProcess(site, entitled, 'all of postgres', 'KILL');
  const changed = await change;
  const struck = await power(site, [primary], fault);
  const when = changed ? 'then, when the record had changed,' : 'then';
  return (
    struck && {
      ...struck,
      whom: `${other} did not hear ${primary}, PostgreSQL of ${entitled} died, ${when} ${primary}`,
    }
  );
}

/**
 * The primary is lost, and who claims its place is lost, too, when it takes writes and cannot confirm them: etcd is frozen.
 * What it wrote was acknowledged to nobody, and has to be gone when it comes back after the other one.
 */
export async function lostClaim(site: Site, fault: PlannedFault): Promise<Struck | undefined> {
  const claim = recordThat(site, (record) => !record.includes('"claimant":""'), claimMs);
  const first = await power(site, [await site.primary()], fault);
  const claimant = /"claimant":"(.+?)"/.exec((await claim) ?? '')?.[1];
  if (first === undefined || claimant === undefined) {
    return first && { ...first, whom: `${first.whom}, and nobody claimed its place` };
  }
  const nodes = await site.nodes();
  const frozen = await Promise.all(nodes.map((node) => signalProcess(site, node, 'etcd', 'STOP')));
  await site.wait(unconfirmedMs);
  const second = await power(site, [claimant], fault);
  await Promise.all(
    nodes.map((node, index) => site.attempt(node, 'sh', '-c', `kill -CONT ${frozen[index] ?? ''}`)),
  );
  return {
    whom: `${first.whom}, then ${claimant}, which had claimed its place`,
    end: async () => {
      const one = await first.end?.();
      await site.wait(claimMs * (fault.draws[7] ?? 0));
      return `${one ?? ''}; ${(await second?.end?.()) ?? ''}`;
    },
  };
}

/** All other nodes are cut off from it; its clients are not. */
export async function cutOff(site: Site): Promise<Struck | undefined> {
  const primary = await site.primary();
  if (primary === undefined) return undefined;
  const others = (await site.nodes()).filter((name) => name !== primary);
  const heals = await Promise.all(others.map((other) => misroute(site, primary, other, 'both ways')));
  return {
    whom: `${primary} from ${others.join(' and ')}`,
    end: async () => {
      await Promise.all(heals.map((heal) => heal()));
      return `${primary} is heard by all again`;
    },
  };
}

/** By the record; by chance where there is none. */
async function entitledStandby(
  site: Site,
  primary: string | undefined,
  draw: number,
): Promise<string | undefined> {
  const { stdout } = await site.attempt(
    'client01',
    ...etcdctl,
    endpoints,
    'get',
    '--print-value-only',
    recordKey,
  );
  const names = /"entitled":\{(.*?)\}/.exec(stdout)?.[1] ?? '';
  const nodes = (await site.nodes()).filter((name) => name !== primary);
  return nodes.find((name) => names.includes(`"${name}"`)) ?? chosenBy(draw, nodes);
}

/** @returns whether it changed within this time */
async function recordChange(site: Site, withinMs: number): Promise<boolean> {
  return (await recordThat(site, () => true, withinMs)) !== undefined;
}

/** The record's text as soon as it is written so; undefined: it was not within this time. */
async function recordThat(
  site: Site,
  fits: (record: string) => boolean,
  withinMs: number,
): Promise<string | undefined> {
  const argv = [...etcdctl, endpoints, 'watch', recordKey];
  const child = await site.cluster.playground.spawn('client01', argv, {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const { stdout } = child;
  try {
    if (stdout === null) return undefined;
    const told = new Promise<string>((resolve) => {
      onLine(stdout, (line) => {
        if (line.startsWith('{') && fits(line)) resolve(line);
      });
    });
    return await Promise.race([told, site.wait(withinMs).then(() => undefined)]);
  } finally {
    child.kill('SIGKILL');
  }
}
