import { z } from 'zod';
import { count, date, decimal, list, text } from './fields.js';
import { lockHolder } from './lock-holder.js';
import { pauseRequest } from './pause-request.js';
import { proxyState } from './proxy-state.js';
import { JsonRecord } from './record.js';
import { seenProxy } from './seen-proxy.js';
import { switchoverReport } from './switchover-report.js';

const member = z.object({
  name: text(256, 'Its name in the cluster manager.'),
  address: text(64, 'Where clients reach it; empty when it is not known.'),
  api: text(256, 'host:port of its failover API; empty when no API is known that is its.'),
  role: z
    .enum(['primary', 'standby', 'stopped', 'unknown'])
    .meta({ description: 'What it does, as the cluster manager says.' }),
  sync_state: z.enum(['sync', 'quorum', 'potential', 'async', 'unknown']).meta({
    description: 'How far a commit waits for this standby, as the primary says, else the cluster manager.',
  }),
  online: z.boolean().meta({ description: 'Whether the cluster manager reaches it.' }),
  streaming: z.boolean().optional().meta({ description: 'Of a standby: whether it receives WAL.' }),
  lag_bytes: count('WAL that it has not flushed yet; absent: not known, or the primary.').optional(),
  timeline: count('Its timeline, as its PostgreSQL says; absent: not known.').optional(),
});

const obstacle = z.object({
  kind: text(64, 'maintenance, failed-action, pending-action, preference, ban, unclean-node.'),
  text: text(2_000, "What was found, in the cluster manager's words."),
  way_out: text(2_000, 'What to run, or to wait for.'),
});

const schema = z.object({
  taken_at: date('When, on the clock of the machine that asked.'),
  well: z.boolean().meta({ description: 'Whether nothing is wrong and everything is known: exit status 0.' }),
  wrong: list(text(2_000, ''), 1_000, 'What is wrong.'),
  unknown: list(text(2_000, ''), 1_000, 'What could not be found out, and why.'),
  route: z
    .object({
      address: text(64, 'Where clients are led.'),
      revision: decimal('Its revision in etcd.'),
      since: date('Since when; absent: not known.').optional(),
    })
    .optional()
    .meta({ description: 'The published route; absent when there is none, or it is not known.' }),
  members: list(member, 100, 'The members of the cluster.'),
  proxies: list(proxyState.schema, 10_000, 'The registered proxies; absent: not known.').optional(),
  vanished: list(seenProxy.schema, 10_000, 'Proxies that were here and are not registered now.'),
  lock: z
    .object({
      revision: decimal("The create revision of the lock's key."),
      holder: lockHolder.schema.optional().meta({ description: 'Absent: it left no name.' }),
    })
    .optional()
    .meta({ description: 'The failover lock, unless nobody has it, or it is not known.' }),
  request: pauseRequest.schema
    .optional()
    .meta({ description: 'The pause request; absent when there is none.' }),
  moves: list(
    text(128, ''),
    100,
    'The ids of the switchovers whose move is still asked for; absent: not known.',
  ).optional(),
  entitled: list(
    text(256, ''),
    100,
    "The members that may be promoted; absent: not known, or another agent than pgcm's own decides.",
  ).optional(),
  obstacles: list(obstacle, 100, 'What forbids a move now.'),
  history: list(
    switchoverReport.schema,
    5,
    'The last switchovers, the newest first; absent: not known.',
  ).optional(),
});

export type StatusJson = z.input<typeof schema>;

/** What `pgcm status --json` prints. */
export const clusterStatus = new JsonRecord<StatusJson, typeof schema>({
  name: 'status',
  maxBytes: 16_000_000,
  schema,
  decode: (json) => json,
  encode: (status) => status,
});
