import * as grpc from '@grpc/grpc-js';
import { PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { formatDuration } from '../runtime/durations.js';

/**
 * How long the caller of an rpc waits for its answer. gRPC's own deadline is a date on the wall clock
 * until it is sent, so ours say the span itself; other clients' deadlines are understood.
 */
const HEADER = 'pgcm-timeout-ms';

/** health-check-timeout, for a caller that does not say. */
const DEFAULT: Milliseconds = 2_000;

export function announcedPatience(timeout: Milliseconds): grpc.Metadata {
  const metadata = new grpc.Metadata();
  metadata.set(HEADER, String(Math.ceil(timeout)));
  return metadata;
}

/** The part of `ServerUnaryCall` that tells of the caller's patience. */
export interface Impatient {
  readonly metadata: grpc.Metadata;
  getDeadline(): grpc.Deadline;
}

export function patienceOf(call: Impatient): Milliseconds {
  const said = Number(call.metadata.get(HEADER)[0]);
  if (said > 0) return said;
  const deadline = call.getDeadline();
  const left = (deadline instanceof Date ? deadline.getTime() : deadline) - Date.now();
  return Number.isFinite(left) && left > 0 ? left : DEFAULT;
}

/**
 * For answers that tell what could be found out in time: runs `work` with a signal that is aborted
 * a little before the caller stops waiting, and at once when it is gone.
 */
export async function withinPatience<T>(
  call: Impatient,
  gone: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const patience = patienceOf(call);
  const span = patience - Math.min(250, Math.max(20, patience / 10));
  const over = new AbortController();
  const timer = setTimeout(
    () => over.abort(new PgcmError('timed-out', `no answer within ${formatDuration(Math.round(span))}`)),
    Math.max(0, span),
  );
  try {
    return await work(AbortSignal.any([gone, over.signal]));
  } finally {
    clearTimeout(timer);
  }
}
