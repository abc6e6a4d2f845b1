import { z } from 'zod';
import { MEMBER_NAME, type Entitlement } from '../domain/entitlement.js';
import { formatPosition, parsePosition } from '../domain/wal-position.js';
import { count, decimal } from './fields.js';
import { JsonRecord } from './record.js';

const timeline = (explain: string): z.ZodNumber =>
  z.number().int().min(1).max(0xffff_ffff).meta({ description: explain });

/** The order of these is that of the text, which a shell script takes apart as well. */
const schema = z.object({
  system: decimal("PostgreSQL's system identifier."),
  counter: count('One more with every write.'),
  primary: z.string().regex(MEMBER_NAME).meta({ description: 'The last confirmed primary.' }),
  timeline: timeline('The timeline that it writes.'),
  claimant: z
    .string()
    .regex(/^$|^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/)
    .meta({ description: 'Who is about to become primary; empty: nobody.' }),
  claimed: count('The timeline that it has reserved for that; 0: none.'),
  entitled: z.record(z.string().regex(MEMBER_NAME), z.string().regex(/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/)).meta({
    description:
      'The members that have every acknowledged commit, the primary among them, each with the WAL position at ' +
      'which it was entitled.',
  }),
  highest: timeline('The highest timeline that was ever reserved.'),
});

export const entitlement = new JsonRecord<Entitlement, typeof schema>({
  name: 'record of who may be promoted',
  maxBytes: 64_000,
  schema,
  decode,
  encode: (record) => ({
    system: record.system,
    counter: record.counter,
    primary: record.primary,
    timeline: record.timeline,
    claimant: record.claim?.member ?? '',
    claimed: record.claim?.timeline ?? 0,
    entitled: Object.fromEntries(
      [...record.entitled]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([member, position]) => [member, formatPosition(position)]),
    ),
    highest: record.highest,
  }),
});

interface Json {
  readonly system: string;
  readonly counter: number;
  readonly primary: string;
  readonly timeline: number;
  readonly claimant: string;
  readonly claimed: number;
  readonly entitled: Readonly<Record<string, string>>;
  readonly highest: number;
}

function decode(json: Json): Entitlement {
  return {
    system: json.system,
    counter: json.counter,
    primary: json.primary,
    timeline: json.timeline,
    claim: json.claimant === '' ? undefined : { member: json.claimant, timeline: json.claimed },
    entitled: new Map(
      Object.entries(json.entitled).map(([member, position]) => [member, parsePosition(position) ?? 0n]),
    ),
    highest: json.highest,
  };
}
