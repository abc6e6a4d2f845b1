import { z } from 'zod';
import type { BouncerInspection } from '../domain/inspection.js';
import type { ProxyState } from '../domain/switchover.js';
import { count, date, decimal, id, list, span, text } from './fields.js';
import { JsonRecord } from './record.js';

const pause = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('running').meta({ description: 'It holds nobody for a switchover.' }) }),
    z.object({
      kind: z.literal('paused').meta({ description: 'All its clients are held.' }),
      request: id('The id of the switchover that asked for it.'),
    }),
    z.object({
      kind: z.literal('failed').meta({ description: 'The pause did not come about; its clients run.' }),
      request: id('The id of the switchover that asked for it.'),
      error: text(1_000, 'Why.'),
    }),
  ])
  .meta({ description: 'What it does about the request of a switchover.' });

const hold = z
  .discriminatedUnion('kind', [
    z.object({
      kind: z.literal('none').meta({ description: 'The primary takes clients, as far as is known.' }),
    }),
    z.object({
      kind: z.literal('held').meta({ description: 'It takes none: clients wait.' }),
      why: text(1_000, 'What the probe found.'),
    }),
    z.object({
      kind: z.literal('over').meta({ description: 'They waited for hold-timeout, and meet errors now.' }),
      why: text(1_000, 'What the probe found.'),
    }),
  ])
  .default({ kind: 'none' })
  .meta({ description: 'Whether clients wait for a primary; absent from older versions.' });

const bouncer = z.object({
  name: text(256, 'Its console, as in messages.'),
  error: text(1_000, 'Why its console does not answer; empty when it does.'),
  session_pooled: list(
    text(128, 'a database'),
    50,
    'The databases that lead to the primary in session pooling: a pause waits for their clients to leave.',
  ),
  query_wait_timeout_ms: span('0: none; absent: not known.').optional(),
});

const schema = z.object({
  id: id('proxy-id: the same over restarts.'),
  host: text(256, "The host's name."),
  instance: id('A new one with every start.'),
  version: text(64, 'Of pgcm.'),
  route: z
    .object({
      address: text(64, "The primary's address."),
      revision: decimal('The revision of the route in etcd.'),
      applied_at: date('When its bouncers were verified to lead there.'),
    })
    .optional()
    .meta({ description: 'Where all its bouncers were verified to lead; absent before the first route.' }),
  pause,
  hold,
  clients_waiting: count('Clients that waited at the last look.'),
  longest_wait_ms: span('The longest wait of a client in the last pause.'),
  bouncers: list(bouncer, 32, 'Its PgBouncers.'),
  error: text(2_000, 'What it cannot do now; empty when all is well.'),
});

export const proxyState = new JsonRecord<ProxyState, typeof schema>({
  name: "proxy's state",
  maxBytes: 1_000_000,
  schema,
  decode: (json) => ({
    id: json.id,
    host: json.host,
    instance: json.instance,
    version: json.version,
    route: json.route && {
      address: json.route.address,
      revision: BigInt(json.route.revision),
      appliedAt: json.route.applied_at,
    },
    pause: json.pause,
    hold: json.hold,
    clientsWaiting: json.clients_waiting,
    longestWait: json.longest_wait_ms,
    bouncers: json.bouncers.map((one): BouncerInspection => ({
      name: one.name,
      error: one.error,
      sessionPooled: one.session_pooled,
      queryWaitTimeout: one.query_wait_timeout_ms,
    })),
    error: json.error,
  }),
  encode: (state) => ({
    id: state.id,
    host: state.host,
    instance: state.instance,
    version: state.version,
    route: state.route && {
      address: state.route.address,
      revision: state.route.revision.toString(),
      applied_at: state.route.appliedAt,
    },
    pause: state.pause,
    hold: state.hold,
    clients_waiting: state.clientsWaiting,
    longest_wait_ms: state.longestWait,
    bouncers: state.bouncers.map((one) => ({
      name: one.name,
      error: one.error,
      session_pooled: [...one.sessionPooled],
      query_wait_timeout_ms: one.queryWaitTimeout,
    })),
    error: state.error,
  }),
});
