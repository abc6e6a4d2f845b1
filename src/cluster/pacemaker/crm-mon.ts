import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import { quote } from '../../domain/address.js';
import type { Member, PrimaryFinding, Role, SyncState, Topology } from '../../domain/cluster.js';
import { PgcmError } from '../../domain/errors.js';

/** One look at Pacemaker, with what only Pacemaker's adapter needs beside the topology. */
export interface CrmMonLook extends Topology {
  /** corosync's node ids, by node name. */
  readonly nodeIds: ReadonlyMap<string, string>;
}

const flag = z.enum(['true', 'false']).transform((text) => text === 'true');

const node = z.object({
  '@name': z.string().min(1),
  '@id': z.string().regex(/^\d+$/),
  '@online': flag,
  '@unclean': flag,
});

const instance = z.object({
  '@id': z.string(),
  '@role': z.string(),
  '@active': flag,
  '@orphaned': flag,
  node: z.array(z.object({ '@name': z.string() })).default([]),
});
type Instance = z.output<typeof instance>;

const attributes = z.object({
  '@name': z.string(),
  attribute: z.array(z.object({ '@name': z.string(), '@value': z.string() })).default([]),
});

/** The parts of crm_mon's XML (api-result.rng of Pacemaker 2.x) that are read. */
const result = z.object({
  'pacemaker-result': z.object({
    summary: z.object({ current_dc: z.object({ '@present': flag, '@with_quorum': flag.optional() }) }),
    nodes: z.object({ node: z.array(node) }),
    resources: z
      .object({ clone: z.array(z.looseObject({ '@id': z.string() })).default([]) })
      .or(z.literal('')),
    node_attributes: z
      .object({ node: z.array(attributes).default([]) })
      .or(z.literal(''))
      .optional(),
  }),
});

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  parseAttributeValue: false,
  // Elements that may stand once or many times are lists in any case.
  isArray: (name, _path, _leaf, isAttribute) =>
    !isAttribute && ['node', 'clone', 'resource', 'group', 'attribute'].includes(name),
  processEntities: true,
});

/**
 * Reads what `crm_mon -1 --output-as=xml` printed.
 *
 * @param resource the id of the promotable clone that manages PostgreSQL
 * @throws PgcmError `invalid-answer` when it is not that, or has no such clone
 */
export function parseCrmMon(xml: string, resource: string): CrmMonLook {
  const mon = parseXml(xml)['pacemaker-result'];
  const instances = instancesOf(mon.resources === '' ? [] : mon.resources.clone, resource);
  const nodes = mon.nodes.node;
  const nodeAttributes = mon.node_attributes ? mon.node_attributes.node : [];
  const members = nodes.map((n): Member => {
    const here = instances.filter((i) => i.node.some((on) => on['@name'] === n['@name']));
    return {
      name: n['@name'],
      role: n['@online'] ? roleOf(here) : 'unknown',
      syncState: syncStateOf(
        nodeAttributes.find((a) => a['@name'] === n['@name']),
        instances,
      ),
      online: n['@online'],
      unclean: n['@unclean'],
    };
  });
  return {
    // Without a DC nobody decides anything, whatever the membership says.
    quorum: mon.summary.current_dc['@present'] && mon.summary.current_dc['@with_quorum'] === true,
    primary: findPrimary(members, resource),
    members,
    nodeIds: new Map(nodes.map((n) => [n['@name'], n['@id']])),
  };
}

function parseXml(xml: string): z.output<typeof result> {
  // The parser is lenient: of output that was cut short it would make a smaller cluster.
  if (!/<\/pacemaker-result>\s*$/.test(xml)) {
    throw new PgcmError(
      'invalid-answer',
      `crm_mon printed no complete XML: ${xml === '' ? 'nothing' : quote(xml.trim().slice(-80))}`,
    );
  }
  let document: unknown;
  try {
    document = parser.parse(xml);
  } catch (cause) {
    throw new PgcmError('invalid-answer', "crm_mon's XML is not understood", { cause });
  }
  const parsed = result.safeParse(document);
  if (!parsed.success) throw notUnderstood(parsed.error);
  return parsed.data;
}

function notUnderstood({ issues: [issue] }: z.ZodError): PgcmError {
  const what = `${issue?.path.join('/') ?? ''}: ${issue?.message ?? ''}`;
  return new PgcmError('invalid-answer', `crm_mon's XML is not understood: ${what}`);
}

/** The instances of the clone; PostgreSQL may stand in it by itself or in a group. */
function instancesOf(clones: readonly { '@id': string }[], resource: string): readonly Instance[] {
  const clone = clones.find((c) => c['@id'] === resource);
  if (clone === undefined) {
    const there = clones.map((c) => c['@id']).join(', ') || 'no clone at all';
    throw new PgcmError(
      'invalid-answer',
      `Pacemaker has no clone ${resource} (it has ${there}): set pacemaker-resource to the promotable clone of PostgreSQL`,
    );
  }
  const found: Instance[] = [];
  const collect = (element: Readonly<Record<string, unknown>>): void => {
    for (const child of asList(element['resource'])) found.push(parseInstance(child));
    for (const group of asList(element['group'])) collect(group as Record<string, unknown>);
  };
  collect(clone);
  return found;
}

function parseInstance(element: unknown): Instance {
  const parsed = instance.safeParse(element);
  if (parsed.success) return parsed.data;
  throw notUnderstood(parsed.error);
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Pacemaker 2.1 renamed Master and Slave; both are still printed, by build option. */
function roleOf(instances: readonly Instance[]): Role {
  const roles = instances.filter((i) => i['@active']).map((i) => i['@role']);
  if (roles.some((r) => r === 'Promoted' || r === 'Master')) return 'primary';
  if (roles.some((r) => r === 'Unpromoted' || r === 'Slave' || r === 'Started')) return 'standby';
  return 'stopped';
}

/**
 * ocf:heartbeat:pgsql writes `<primitive>-data-status` per node: LATEST on the primary, else
 * STREAMING|SYNC, STREAMING|POTENTIAL, STREAMING|ASYNC, DISCONNECT ...
 */
function syncStateOf(of: z.output<typeof attributes> | undefined, instances: readonly Instance[]): SyncState {
  const names = new Set(instances.map((i) => `${i['@id'].replace(/:\d+$/, '')}-data-status`));
  const status = of?.attribute.find((a) => names.has(a['@name']))?.['@value'];
  switch (status) {
    case 'STREAMING|SYNC':
      return 'sync';
    case 'STREAMING|POTENTIAL':
      return 'potential';
    case 'STREAMING|ASYNC':
      return 'async';
    default:
      return 'unknown';
  }
}

function findPrimary(members: readonly Member[], resource: string): PrimaryFinding {
  const promoted = members.filter((m) => m.role === 'primary');
  const [first] = promoted;
  if (promoted.length > 1) return { kind: 'several', names: promoted.map((m) => m.name) };
  if (first === undefined) return { kind: 'none', why: `no instance of ${resource} is promoted` };
  if (!first.online || first.unclean)
    return { kind: 'none', why: `${first.name}, where ${resource} was promoted, is unclean` };
  return { kind: 'one', name: first.name };
}
