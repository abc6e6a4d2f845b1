import { z } from 'zod';
import { PgcmError } from '../domain/errors.js';

/**
 * The messages as proto-loader gives them. It converts silently (an overflowing number, an unknown
 * enum value), so everything that comes in is checked here.
 */
const status = z.enum(['UNKNOWN', 'HEALTHY', 'UNHEALTHY']);

/** int64 as decimal text. A span of more than a day is a mistake of units. */
const spanMs = z
  .string()
  .regex(/^-?\d+$/)
  .transform(Number)
  .pipe(z.number().int().min(0).max(86_400_000));
const spanS = z.number().int().min(0).max(86_400);

export const pauseRequest = z.object({
  timeout: spanS,
  expiry: spanS,
  timeout_ms: spanMs,
  expiry_ms: spanMs,
  endless: z.boolean(),
});

export const resumeRequest = z.object({ address: z.string().max(64), timeout_ms: spanMs });

export const healthCheckResponse = z.object({
  status,
  node: z.string().max(256),
  parts: z.array(z.object({ name: z.string().max(64), status, message: z.string() })).max(64),
});

export const migrateResponse = z.object({ migrating_to: z.string().min(1).max(256), address: z.string() });

export const probeResponse = z.object({
  in_recovery: z.boolean(),
  timeline: z.number().int().min(0),
  takes_writes: z.boolean(),
});

export const anything = z.object({});

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
