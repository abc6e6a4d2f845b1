import { z } from 'zod';
import { PgcmError } from '../domain/errors.js';
import type { Mandate } from '../domain/mandate.js';

/**
 * The messages as proto-loader gives them. It converts silently (an overflowing number, an unknown
 * enum value), so everything that comes in is checked here.
 */
const status = z.enum(['UNKNOWN', 'HEALTHY', 'UNHEALTHY']);

/** int64 comes as decimal text. */
export const int64 = z
  .string()
  .regex(/^-?\d{1,19}$/)
  .transform(Number)
  .pipe(z.number().int());

/** A span of more than a day is a mistake of units. */
const spanMs = int64.pipe(z.number().min(0).max(86_400_000));
const spanS = z.number().int().min(0).max(86_400);

/** A name of a member, a database, a user. */
export const name = z.string().max(256);

/** The switchover's id becomes part of names in other programs, so it is held to what each of them takes. */
const switchover = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/);

/** An absent message is null. */
const mandate = z
  .object({
    switchover,
    lock_revision: z.string().regex(/^[1-9]\d{0,18}$/),
    no_rejoin: z.boolean(),
  })
  .nullable()
  .transform((sent): Mandate | undefined => {
    if (sent === null) return undefined;
    const found = { switchover: sent.switchover, lockRevision: BigInt(sent.lock_revision) };
    return sent.no_rejoin ? { ...found, noRejoin: true } : found;
  });

const neededMandate = mandate.transform((sent, context): Mandate => {
  if (sent !== undefined) return sent;
  context.addIssue({ code: 'custom', message: 'is missing' });
  return z.NEVER;
});

export const pauseRequest = z.object({
  timeout: spanS,
  expiry: spanS,
  timeout_ms: spanMs,
  expiry_ms: spanMs,
  endless: z.boolean(),
  mandate,
});
export const resumeRequest = z.object({ address: z.string().max(64), timeout_ms: spanMs, mandate });
export const migrateRequest = z.object({ member: name, mandate });
export const unmigrateRequest = z.object({ mandate });
export const checkpointRequest = z.object({ mandate: neededMandate });
export const terminateRequest = z.object({ older_than_ms: spanMs, mandate: neededMandate });
export const rejoinRequest = z.object({
  primary: name.min(1),
  address: z.string().max(64),
  timeout_ms: spanMs,
  mandate: neededMandate,
});

/** A wait is bounded: no call of a client that forgot about it stays for long. */
export const probeRequest = z.object({ wait_ms: z.number().int().min(0).max(10_000) });

export const healthCheckResponse = z.object({
  status,
  node: name,
  parts: z.array(z.object({ name: z.string().max(64), status, message: z.string() })).max(64),
});

export const migrateResponse = z.object({ migrating_to: name.min(1), address: z.string() });

export const probeResponse = z.object({
  in_recovery: z.boolean(),
  timeline: z.number().int().min(0),
  takes_writes: z.boolean(),
});

export const terminateResponse = z.object({
  backends: z.array(z.object({ pid: z.number().int(), user: name, age_ms: int64 })).max(10_000),
});

export const rejoinResponse = z.object({
  streaming: z.boolean(),
  already: z.boolean(),
  why: z.string(),
  commands: z.array(z.string()).max(64),
});

export const anything = z.object({});

/** How a mandate is sent; an absent one leaves the field out. */
export function mandateMessage(sent: Mandate | undefined): { mandate?: object } {
  if (sent === undefined) return {};
  const { switchover: id, lockRevision, noRejoin = false } = sent;
  return { mandate: { switchover: id, lock_revision: String(lockRevision), no_rejoin: noRejoin } };
}

/** Checks a message. @throws PgcmError `invalid-answer` that names the field */
export function parseMessage<T extends z.ZodType>(schema: T, message: unknown, what: string): z.output<T> {
  const parsed = schema.safeParse(message);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'message'}: ${issue.message}`);
  throw new PgcmError('invalid-answer', `${what}: ${fields.join('; ')}`, { cause: parsed.error });
}

/** google.protobuf.Timestamp; proto-loader would turn a Date into 1970. */
export function timestamp(ms: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(ms / 1_000);
  return { seconds, nanos: Math.round((ms - seconds * 1_000) * 1e6) };
}
