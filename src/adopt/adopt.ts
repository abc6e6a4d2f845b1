import type { ClusterManager } from '../domain/cluster.js';
import type { Entitlement, EntitlementReading, EntitlementStore, SeenRecord } from '../domain/entitlement.js';
import { PgcmError } from '../domain/errors.js';
import type { TopologyStore } from '../domain/stores.js';
import { whoIsNotDown, type DownProof } from './down-proof.js';
import { newRecord, whyNotLost, type OwnData } from './new-record.js';

export interface AdoptOptions {
  readonly node: string;
  readonly manager: Pick<ClusterManager, 'localName' | 'look' | 'addressOf'>;
  /** Whether anything listens on PostgreSQL's port at an address. */
  readonly listens: DownProof['listens'];
  readonly store: Pick<EntitlementStore, 'read' | 'adopt'>;
  readonly topologies: Pick<TopologyStore, 'read'>;
  /** What this node's PostgreSQL is, running or not. */
  readonly ownData: (signal: AbortSignal) => Promise<OwnData>;
  /** What its agent has seen of the record; undefined: it has kept nothing. */
  readonly seen: (signal: AbortSignal) => Promise<SeenRecord | undefined>;
  /** Nothing is written. */
  readonly dryRun: boolean;
  /** One line for each thing that was found or done. */
  readonly say: (text: string) => void;
}

/**
 * Makes a new record of who may be promoted, after the old one was lost: this node, and nobody else. Commits that only
 * another member has are lost by it, and a member that acknowledges commits meanwhile would be a second primary: so all
 * others have to be down, and stay so until this node is primary.
 *
 * @throws PgcmError `refused` saying what was looked at and what to do
 */
export async function adopt(options: AdoptOptions, signal: AbortSignal): Promise<void> {
  const { node, manager, store, say } = options;
  const local = await manager.localName(signal);
  if (local !== node) {
    throw refused(
      `this is ${local}, not ${node}: run it on ${node}, whose data directory and seen record count`,
    );
  }
  const reading = await store.read(signal);
  const [own, seen] = [await options.ownData(signal), await options.seen(signal)];
  tellFound(reading, own, seen, say);
  const why = whyNotLost(reading, own, seen);
  if (why !== undefined) throw refused(why);
  await proveDown(options, signal);
  const topology = await options.topologies.read(signal).catch(() => undefined);
  const record = newRecord({ node, reading, own, seen, topology });
  const what = `${describe(record)}; and to delete the published topology, which supervise then publishes anew`;
  if (options.dryRun) {
    say(`to write: ${what}`);
    return;
  }
  say(`writing: ${what}`);
  await write(options, record, reading, signal);
  say(`done: ${node} may be promoted, and nobody else until it streams from ${node}`);
}

function tellFound(
  reading: EntitlementReading,
  own: OwnData,
  seen: SeenRecord | undefined,
  say: (text: string) => void,
): void {
  say(
    `etcd: ${reading.kind === 'record' ? describe(reading.record) : reading.kind === 'bad' ? reading.why : 'no record'}`,
  );
  say(
    seen === undefined
      ? 'this node has seen: no record'
      : `this node has seen: a record of system ${seen.system}, counter ${seen.counter}, highest timeline ${seen.timeline}`,
  );
  say(`this node's PostgreSQL: system ${own.system}, timeline ${own.timeline}, ${own.state}`);
}

async function proveDown({ manager, listens, node, say }: AdoptOptions, signal: AbortSignal): Promise<void> {
  const topology = await manager.look(signal);
  if (!topology.quorum) {
    throw refused(
      'the cluster manager has no quorum here, so what it says of the others proves nothing: they may be up ' +
        'beyond a cut. Bring a majority of the nodes up, or tell corosync that the others are gone for good',
    );
  }
  const others = topology.members.filter(({ name }) => name !== node);
  const addressOf = (name: string): ReturnType<typeof manager.addressOf> => manager.addressOf(name, signal);
  const findings = await whoIsNotDown(others, { addressOf, listens }, signal);
  for (const { name, text } of findings) say(`${name}: ${text}`);
  const up = findings.filter(({ down }) => !down).map(({ name }) => name);
  if (up.length === 0) return;
  throw refused(
    `${up.join(', ')}: not proven to be down. Stop PostgreSQL there (crm_resource --ban, or the node's cluster ` +
      'software), or fence the node, and run this again',
  );
}

async function write(
  { store }: AdoptOptions,
  record: Entitlement,
  { revision }: EntitlementReading,
  signal: AbortSignal,
): Promise<void> {
  const outcome = await store.adopt(record, revision, signal);
  switch (outcome.kind) {
    case 'made':
      return;
    case 'refused':
      throw refused('the record was written since it was looked at: run this again');
    case 'in-doubt':
      throw new PgcmError('in-doubt', `${outcome.why}: whether it was written is not known. Run this again`);
  }
}

function describe({ counter, primary, timeline, entitled, highest }: Entitlement): string {
  const names = [...entitled.keys()].join(', ');
  return `primary ${primary} on timeline ${timeline}, entitled ${names}, highest timeline ${highest}, counter ${counter}`;
}

function refused(text: string): PgcmError {
  return new PgcmError('refused', text);
}
