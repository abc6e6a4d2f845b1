import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import { quote } from '../../domain/address.js';
import { PgcmError } from '../../domain/errors.js';

/** One way in which a location constraint acts: by itself, or one of its rules. */
export interface Preference {
  /** `INFINITY`, `-INFINITY`, a number, or `?` for one that is taken from a node attribute. */
  readonly score: string;
  /** Promoted, Unpromoted, ...; undefined when it is for every role. */
  readonly role: string | undefined;
  /** The node it names; undefined when it says otherwise which nodes it means. */
  readonly node: string | undefined;
  /** When it ceases to act, in ms since 1970 on the wall clock; undefined when it has no end that is understood. */
  readonly end: number | undefined;
}

/** A location constraint of the CIB. */
export interface LocationConstraint {
  readonly id: string;
  /** The resources that it names. */
  readonly resources: readonly string[];
  /** A regular expression for resources, in place of their names. */
  readonly pattern: string | undefined;
  readonly preferences: readonly Preference[];
}

interface Rule {
  readonly '@score'?: string | undefined;
  readonly '@score-attribute'?: string | undefined;
  readonly '@role'?: string | undefined;
  readonly '@boolean-op'?: string | undefined;
  readonly expression: readonly Expression[];
  readonly date_expression: readonly DateExpression[];
}
type Expression = z.output<typeof expression>;
type DateExpression = z.output<typeof dateExpression>;

const expression = z.object({
  '@attribute': z.string().optional(),
  '@operation': z.string().optional(),
  '@value': z.string().optional(),
});
const dateExpression = z.object({ '@operation': z.string().optional(), '@end': z.string().optional() });
const rule = z.object({
  '@score': z.string().optional(),
  '@score-attribute': z.string().optional(),
  '@role': z.string().optional(),
  '@boolean-op': z.string().optional(),
  expression: z.array(expression).default([]),
  date_expression: z.array(dateExpression).default([]),
});
const resourceSet = z.object({
  resource_ref: z.array(z.object({ '@id': z.string() })).default([]),
});
const location = z.object({
  '@id': z.string().min(1),
  '@rsc': z.string().optional(),
  '@rsc-pattern': z.string().optional(),
  '@role': z.string().optional(),
  '@node': z.string().optional(),
  '@score': z.string().optional(),
  rule: z.array(rule).default([]),
  // Without content an element is read as an empty text.
  resource_set: z.array(resourceSet.or(z.literal(''))).default([]),
});
const document = z.object({
  constraints: z.object({ rsc_location: z.array(location).default([]) }).or(z.literal('')),
});

const lists = ['rsc_location', 'rule', 'expression', 'date_expression', 'resource_set', 'resource_ref'];

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  parseAttributeValue: false,
  isArray: (name, _path, _leaf, isAttribute) => !isAttribute && lists.includes(name),
});

/**
 * Reads what `cibadmin --query --scope constraints` printed, as far as it is about where resources run.
 * @throws PgcmError `invalid-answer`
 */
export function parseConstraints(xml: string): readonly LocationConstraint[] {
  // The parser is lenient: output that was cut short would look like fewer constraints.
  if (!/(<\/constraints>|<constraints\s*\/>)\s*$/.test(xml)) {
    throw new PgcmError(
      'invalid-answer',
      `cibadmin printed no complete list of constraints: ${quote(xml.trim().slice(-80))}`,
    );
  }
  let parsed: z.output<typeof document>;
  try {
    parsed = document.parse(parser.parse(xml));
  } catch (cause) {
    throw new PgcmError('invalid-answer', "cibadmin's list of constraints is not understood", { cause });
  }
  return parsed.constraints === '' ? [] : parsed.constraints.rsc_location.map(toConstraint);
}

function toConstraint(element: z.output<typeof location>): LocationConstraint {
  const sets = element.resource_set.flatMap((set) => (set === '' ? [] : set.resource_ref));
  const named = element['@rsc'] === undefined ? [] : [element['@rsc']];
  const role = element['@role'];
  const own: readonly Preference[] =
    element['@score'] === undefined
      ? []
      : [{ score: element['@score'], role, node: element['@node'], end: undefined }];
  return {
    id: element['@id'],
    resources: [...named, ...sets.map((ref) => ref['@id'])],
    pattern: element['@rsc-pattern'],
    preferences: [...own, ...element.rule.map((one) => toPreference(one, role))],
  };
}

/** A rule's role is its own, or that of the constraint around it (Pacemaker reads both). */
function toPreference(of: Rule, role: string | undefined): Preference {
  const all = of['@boolean-op'] !== 'or';
  const node = of.expression.find((e) => e['@attribute'] === '#uname' && e['@operation'] === 'eq');
  const ends = of.date_expression.flatMap((e) => endOf(e) ?? []);
  return {
    score: of['@score'] ?? (of['@score-attribute'] === undefined ? 'INFINITY' : '?'),
    role: of['@role'] ?? role,
    node: all ? node?.['@value'] : undefined,
    // With `or` something else may make it act after that.
    end: all && ends.length > 0 ? Math.min(...ends) : undefined,
  };
}

function endOf({ '@operation': operation, '@end': end }: DateExpression): number | undefined {
  if (end === undefined || !(operation === 'lt' || operation === 'in_range')) return undefined;
  // Pacemaker writes `2026-11-21 13:10:26Z`. A date without a zone is that of its host.
  const time = Date.parse(end.trim().replace(' ', 'T').replace(/\s+/g, ''));
  return Number.isNaN(time) ? undefined : time;
}
