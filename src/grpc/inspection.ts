import { z } from 'zod';
import type { PrimaryFinding } from '../domain/cluster.js';
import type { ManagerInspection, NodeInspection, PostgresInspection } from '../domain/inspection.js';
import { int64, name } from './messages.js';

/** NodeInspection on the wire: InspectResponse of proto/failover.proto, there and back. */

/** What is not known is -1 there. */
const NOT_KNOWN = -1;

const many = <T extends z.ZodType>(item: T): z.ZodArray<T> => z.array(item).max(10_000);
const text = z.string().max(10_000);
const timeline = z.number().int().min(0);

const manager = z.object({
  quorum: z.boolean(),
  primaries: many(name),
  no_primary: text,
  members: many(
    z.object({
      name: name.min(1),
      role: z.enum(['primary', 'standby', 'stopped', 'unknown']),
      sync_state: z.enum(['sync', 'potential', 'async', 'unknown']),
      online: z.boolean(),
      unclean: z.boolean(),
    }),
  ),
  obstacles: many(
    z.object({
      kind: z.enum(['maintenance', 'failed-action', 'pending-action', 'preference', 'ban', 'unclean-node']),
      text,
      way_out: text,
    }),
  ),
  moves: many(name),
});

const postgres = z.object({
  system_identifier: z.string().regex(/^\d{1,20}$/),
  in_recovery: z.boolean(),
  timeline,
  receiving: z.boolean(),
  senders: many(
    z.object({
      name,
      address: name,
      state: name,
      sync_state: z.enum(['sync', 'quorum', 'potential', 'async']),
      lag: int64,
      stale: text,
    }),
  ),
  transactions: many(
    z.object({
      pid: z.number().int(),
      user: name,
      database: name,
      application: name,
      address: name,
      age_ms: int64,
      state: name,
      query: text,
    }),
  ),
});

export const inspectResponse = z.object({
  node: name,
  proxy: name,
  manager: manager.nullable(),
  postgres: postgres.nullable(),
  bouncers: many(z.object({ name, error: text, session_pooled: many(name), query_wait_timeout_ms: int64 })),
  problems: many(text),
});

export function inspectionMessage(inspection: NodeInspection): object {
  return {
    node: inspection.node,
    proxy: inspection.proxy,
    manager: inspection.manager === undefined ? null : managerMessage(inspection.manager),
    postgres: inspection.postgres === undefined ? null : postgresMessage(inspection.postgres),
    bouncers: inspection.bouncers.map((bouncer) => ({
      name: bouncer.name,
      error: bouncer.error,
      session_pooled: bouncer.sessionPooled,
      query_wait_timeout_ms: whole(bouncer.queryWaitTimeout),
    })),
    problems: inspection.problems,
  };
}

function managerMessage({ topology, obstacles, moves }: ManagerInspection): z.input<typeof manager> {
  const { primary } = topology;
  return {
    quorum: topology.quorum,
    primaries: primary.kind === 'one' ? [primary.name] : primary.kind === 'several' ? [...primary.names] : [],
    no_primary: primary.kind === 'none' ? primary.why : '',
    members: topology.members.map(({ name: of, role, syncState, online, unclean }) => ({
      name: of,
      role,
      sync_state: syncState,
      online,
      unclean,
    })),
    obstacles: obstacles.map(({ kind, text: found, wayOut }) => ({ kind, text: found, way_out: wayOut })),
    moves: [...moves],
  };
}

function postgresMessage(inspection: PostgresInspection): z.input<typeof postgres> {
  return {
    system_identifier: inspection.systemIdentifier,
    in_recovery: inspection.inRecovery,
    timeline: inspection.timeline,
    receiving: inspection.receiving,
    senders: inspection.senders.map((sender) => ({
      name: sender.name,
      address: sender.address ?? '',
      state: sender.state,
      sync_state: sender.syncState,
      lag: whole(sender.lag),
      stale: sender.stale ?? '',
    })),
    transactions: inspection.transactions.map(({ age, ...transaction }) => ({
      ...transaction,
      age_ms: whole(age),
    })),
  };
}

/** int64 is sent as text: a number of milliseconds may have a fraction, which it has not. */
export function whole(value: number | undefined): string {
  return String(value === undefined ? NOT_KNOWN : Math.round(value));
}

const known = (value: number): number | undefined => (value < 0 ? undefined : value);

export function inspectionOf(message: z.output<typeof inspectResponse>): NodeInspection {
  return {
    node: message.node,
    proxy: message.proxy,
    manager: message.manager === null ? undefined : managerOf(message.manager),
    postgres: message.postgres === null ? undefined : postgresOf(message.postgres),
    bouncers: message.bouncers.map((bouncer) => ({
      name: bouncer.name,
      error: bouncer.error,
      sessionPooled: bouncer.session_pooled,
      queryWaitTimeout: known(bouncer.query_wait_timeout_ms),
    })),
    problems: message.problems,
  };
}

function managerOf(message: z.output<typeof manager>): ManagerInspection {
  return {
    topology: {
      quorum: message.quorum,
      primary: primaryOf(message),
      members: message.members.map(({ sync_state: syncState, ...member }) => ({ ...member, syncState })),
    },
    obstacles: message.obstacles.map(({ way_out: wayOut, ...obstacle }) => ({ ...obstacle, wayOut })),
    moves: message.moves,
  };
}

function primaryOf({ primaries, no_primary: why }: z.output<typeof manager>): PrimaryFinding {
  const [first, second] = primaries;
  if (first === undefined) return { kind: 'none', why };
  return second === undefined ? { kind: 'one', name: first } : { kind: 'several', names: primaries };
}

function postgresOf(message: z.output<typeof postgres>): PostgresInspection {
  return {
    systemIdentifier: message.system_identifier,
    inRecovery: message.in_recovery,
    timeline: message.timeline,
    receiving: message.receiving,
    senders: message.senders.map((sender) => ({
      name: sender.name,
      address: sender.address === '' ? undefined : sender.address,
      state: sender.state,
      syncState: sender.sync_state,
      lag: known(sender.lag),
      stale: sender.stale === '' ? undefined : sender.stale,
    })),
    transactions: message.transactions.map(({ age_ms: age, ...transaction }) => ({ ...transaction, age })),
  };
}
