import * as grpc from '@grpc/grpc-js';
import { describeError, PgcmError, type ErrorCode } from '../domain/errors.js';

/**
 * How an error of ours looks on the wire. pgsql-cluster-manager's clients know DEADLINE_EXCEEDED of
 * pause and NOT_FOUND of migrate; our own read the exact code from a trailer.
 */
const toStatus: Readonly<Record<ErrorCode, grpc.status>> = {
  usage: grpc.status.INVALID_ARGUMENT,
  refused: grpc.status.FAILED_PRECONDITION,
  'timed-out': grpc.status.DEADLINE_EXCEEDED,
  aborted: grpc.status.CANCELLED,
  unavailable: grpc.status.UNAVAILABLE,
  'invalid-answer': grpc.status.UNKNOWN,
  conflict: grpc.status.ABORTED,
  'in-doubt': grpc.status.UNKNOWN,
  'no-quorum': grpc.status.FAILED_PRECONDITION,
  'no-primary': grpc.status.FAILED_PRECONDITION,
  'two-primaries': grpc.status.FAILED_PRECONDITION,
  'no-sync-standby': grpc.status.NOT_FOUND,
  'lock-held': grpc.status.ABORTED,
  'lock-lost': grpc.status.ABORTED,
  'bad-address': grpc.status.INVALID_ARGUMENT,
  'bad-template': grpc.status.FAILED_PRECONDITION,
  'port-in-use': grpc.status.UNKNOWN,
  unsupported: grpc.status.UNIMPLEMENTED,
  internal: grpc.status.UNKNOWN,
};

const CODE_TRAILER = 'pgcm-code';

export function toServiceError(error: unknown): Partial<grpc.StatusObject> {
  const metadata = new grpc.Metadata();
  const code = error instanceof PgcmError ? error.code : 'internal';
  metadata.set(CODE_TRAILER, code);
  // Shortened to fit into a header. Half a character, which a cut may leave behind, is refused by
  // grpc-js with an exception that nobody catches.
  const details = describeError(error)
    .slice(0, 2_000)
    .replace(/\p{Surrogate}/gu, '\ufffd');
  return { code: toStatus[code], details, metadata };
}

const fromStatus: Partial<Record<grpc.status, ErrorCode>> = {
  [grpc.status.DEADLINE_EXCEEDED]: 'timed-out',
  [grpc.status.CANCELLED]: 'aborted',
  [grpc.status.UNAVAILABLE]: 'unavailable',
  [grpc.status.NOT_FOUND]: 'no-sync-standby',
  [grpc.status.FAILED_PRECONDITION]: 'refused',
  [grpc.status.UNIMPLEMENTED]: 'unsupported',
  [grpc.status.INVALID_ARGUMENT]: 'usage',
};

/** Our error for a failed call; `what` names the rpc and the endpoint. */
export function fromServiceError(error: grpc.ServiceError, what: string): PgcmError {
  const [trailer] = error.metadata.get(CODE_TRAILER);
  const code = isErrorCode(trailer) ? trailer : (fromStatus[error.code] ?? 'internal');
  return new PgcmError(code, `${what}: ${error.details || grpc.status[error.code]}`);
}

function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(toStatus, value);
}
