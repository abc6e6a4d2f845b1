import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import { quote } from '../../domain/address.js';
import { PgcmError } from '../../domain/errors.js';

const flag = z.enum(['true', 'false']).transform((text) => text === 'true');

const node = z.object({
  '@name': z.string().min(1),
  '@id': z.string().regex(/^\d+$/),
  '@online': flag,
  '@unclean': flag,
  '@standby': flag.default(false),
  '@standby_onfail': flag.default(false),
  '@maintenance': flag.default(false),
  '@pending': flag.default(false),
});
export type MonNode = z.output<typeof node>;

const instance = z.object({
  '@id': z.string(),
  '@resource_agent': z.string().default(''),
  '@role': z.string(),
  '@active': flag,
  '@orphaned': flag,
  '@managed': flag.default(true),
  '@blocked': flag.default(false),
  '@pending': z.string().optional(),
  node: z.array(z.object({ '@name': z.string() })).default([]),
});
export type MonInstance = z.output<typeof instance>;

const attributes = z.object({
  '@name': z.string(),
  attribute: z.array(z.object({ '@name': z.string(), '@value': z.string() })).default([]),
});
export type MonAttributes = z.output<typeof attributes>;

const failure = z.object({
  '@op_key': z.string().optional(),
  '@node': z.string(),
  '@task': z.string().optional(),
  '@exitstatus': z.string().default(''),
  '@exitreason': z.string().default(''),
  '@status': z.string().default(''),
  '@last-rc-change': z.string().optional(),
});
export type MonFailure = z.output<typeof failure>;

const clone = z.looseObject({ '@id': z.string(), '@managed': flag.default(true) });

/** The parts of crm_mon's XML (api-result.rng of Pacemaker 2.x) that are read. An element without content is ''. */
const result = z.object({
  'pacemaker-result': z.object({
    summary: z.object({
      current_dc: z.object({
        '@present': flag,
        '@name': z.string().optional(),
        '@with_quorum': flag.optional(),
      }),
      cluster_options: z
        .object({ '@maintenance-mode': flag.default(false), '@stop-all-resources': flag.default(false) })
        .optional(),
    }),
    nodes: z.object({ node: z.array(node) }),
    resources: z.object({ clone: z.array(clone).default([]) }).or(z.literal('')),
    node_attributes: z
      .object({ node: z.array(attributes).default([]) })
      .or(z.literal(''))
      .optional(),
    failures: z
      .object({ failure: z.array(failure).default([]) })
      .or(z.literal(''))
      .optional(),
  }),
});

/** What crm_mon printed, as far as it is about the cluster and one clone in it. */
export interface CrmMon {
  readonly summary: z.output<typeof result>['pacemaker-result']['summary'];
  readonly nodes: readonly MonNode[];
  /** The clone manages its resource; not when it is unmanaged, or the cluster in maintenance. */
  readonly managed: boolean;
  /** Of the clone's PostgreSQL. */
  readonly instances: readonly MonInstance[];
  readonly attributes: readonly MonAttributes[];
  /** Of every resource. */
  readonly failures: readonly MonFailure[];
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  parseAttributeValue: false,
  // Elements that may stand once or many times are lists in any case.
  isArray: (name, _path, _leaf, isAttribute) =>
    !isAttribute && ['node', 'clone', 'resource', 'group', 'attribute', 'failure'].includes(name),
  processEntities: true,
});

/**
 * Reads what `crm_mon -1 --output-as=xml` printed.
 *
 * @param resource the id of the promotable clone that manages PostgreSQL
 * @throws PgcmError `invalid-answer` when it is not that, or has no such clone
 */
export function readCrmMon(xml: string, resource: string): CrmMon {
  const mon = parseXml(xml)['pacemaker-result'];
  const found = cloneOf(mon.resources === '' ? [] : mon.resources.clone, resource);
  return {
    summary: mon.summary,
    nodes: mon.nodes.node,
    managed: found['@managed'],
    instances: instancesOf(found),
    attributes: mon.node_attributes ? mon.node_attributes.node : [],
    failures: mon.failures ? mon.failures.failure : [],
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

function cloneOf(clones: readonly z.output<typeof clone>[], resource: string): z.output<typeof clone> {
  const found = clones.find((c) => c['@id'] === resource);
  if (found === undefined) {
    const there = clones.map((c) => c['@id']).join(', ') || 'no clone at all';
    throw new PgcmError(
      'invalid-answer',
      `Pacemaker has no clone ${resource} (it has ${there}): set pacemaker-resource to the promotable clone of PostgreSQL`,
    );
  }
  return found;
}

/** The instances of the clone; PostgreSQL may stand in it by itself or in a group. */
function instancesOf(of: z.output<typeof clone>): readonly MonInstance[] {
  const found: MonInstance[] = [];
  const collect = (element: Readonly<Record<string, unknown>>): void => {
    for (const child of asList(element['resource'])) found.push(parseInstance(child));
    for (const group of asList(element['group'])) collect(group as Record<string, unknown>);
  };
  collect(of);
  return found;
}

function parseInstance(element: unknown): MonInstance {
  const parsed = instance.safeParse(element);
  if (parsed.success) return parsed.data;
  throw notUnderstood(parsed.error);
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
