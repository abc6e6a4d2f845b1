import { z } from 'zod';
import type { PublishedMember, PublishedTopology } from '../domain/switchover.js';
import { count, date, decimal, list, text } from './fields.js';
import { JsonRecord } from './record.js';

const member = z.object({
  name: text(256, 'Its name in the cluster manager.'),
  address: text(64, 'Where clients reach it; empty when it is not known.'),
  role: z.enum(['primary', 'standby', 'stopped', 'unknown']).meta({ description: 'What it does.' }),
  sync_state: z
    .enum(['sync', 'potential', 'async', 'unknown'])
    .meta({ description: 'How far a commit waits for this standby; sync: acknowledged commits are there.' }),
  lag_bytes: count(
    'WAL that it has not flushed yet, rounded, so that it changes seldom; absent: not known.',
  ).optional(),
  up: z.boolean().meta({ description: 'Whether the cluster manager reaches it.' }),
});

const schema = z.object({
  system_identifier: decimal("PostgreSQL's, from its control file."),
  timeline: count("The primary's timeline."),
  members: list(member, 100, 'All members of the cluster.'),
  primary: z
    .object({
      state: z.enum(['up', 'lost']).meta({ description: 'lost: there is none that works.' }),
      name: text(256, 'Who it is, or was.'),
      since: date('Since when that is so.'),
    })
    .meta({ description: 'The primary.' }),
});

export const topology = new JsonRecord<PublishedTopology, typeof schema>({
  name: 'topology',
  maxBytes: 256_000,
  schema,
  decode: (json) => ({
    systemIdentifier: json.system_identifier,
    timeline: json.timeline,
    members: json.members.map((one): PublishedMember => ({
      name: one.name,
      address: one.address,
      role: one.role,
      syncState: one.sync_state,
      lag: one.lag_bytes,
      up: one.up,
    })),
    primary: json.primary,
  }),
  encode: (view) => ({
    system_identifier: view.systemIdentifier,
    timeline: view.timeline,
    members: view.members.map((one) => ({
      name: one.name,
      address: one.address,
      role: one.role,
      sync_state: one.syncState,
      lag_bytes: one.lag,
      up: one.up,
    })),
    primary: { ...view.primary },
  }),
});
