import * as grpc from '@grpc/grpc-js';

export type FailureKind =
  | 'not-sent' // no connection came about: etcd never saw the request
  | 'no-answer' // the connection broke, or etcd gave up: it may have done what was asked
  | 'timed-out' // the same, after waiting
  | 'aborted' // the caller's signal ended it; it may have been done as well
  | 'refused' // etcd answered no: another member would answer the same
  | 'bad-token'; // etcd does not know (or no longer) who asks: with a new token it may work

/** Why one call to one member failed. Never leaves this folder: the client makes a PgcmError of it. */
export class MemberFailure extends Error {
  readonly kind: FailureKind;
  readonly url: string;

  constructor(kind: FailureKind, url: string, text: string, options?: { cause?: unknown }) {
    super(text, options);
    this.name = 'MemberFailure';
    this.kind = kind;
    this.url = url;
  }
}

/** Said by etcd when its token store forgot ours (it restarted, or five minutes passed), or auth was enabled. */
const TOKEN = /invalid auth token|user name is empty|revision of auth store is old/;

/** gRPC's own words for a call that was never written to a connection. */
const NOT_SENT = /^(No connection established|Channel closed before call started|Name resolution failed)/;

/** Sorts a gRPC error by what may be concluded from it. */
export function memberFailure(url: string, error: unknown): MemberFailure {
  if (error instanceof MemberFailure) return error;
  if (!isServiceError(error)) {
    return new MemberFailure('no-answer', url, error instanceof Error ? error.message : 'it failed', {
      cause: error,
    });
  }
  return new MemberFailure(kindOf(error), url, tidy(error.details));
}

function kindOf({ code, details }: grpc.ServiceError): FailureKind {
  if (TOKEN.test(details)) return 'bad-token';
  switch (code) {
    case grpc.status.UNAVAILABLE:
      return NOT_SENT.test(details) ? 'not-sent' : 'no-answer';
    case grpc.status.RESOURCE_EXHAUSTED:
      // Also gRPC's own code for an answer that is too large: then the request was executed.
      return details.startsWith('etcdserver:') ? 'refused' : 'no-answer';
    case grpc.status.OK:
    case grpc.status.CANCELLED:
    case grpc.status.UNKNOWN:
    case grpc.status.DEADLINE_EXCEEDED:
    case grpc.status.ABORTED:
    case grpc.status.INTERNAL:
    case grpc.status.DATA_LOSS:
      return 'no-answer';
    case grpc.status.INVALID_ARGUMENT:
    case grpc.status.NOT_FOUND:
    case grpc.status.ALREADY_EXISTS:
    case grpc.status.PERMISSION_DENIED:
    case grpc.status.FAILED_PRECONDITION:
    case grpc.status.OUT_OF_RANGE:
    case grpc.status.UNIMPLEMENTED:
    case grpc.status.UNAUTHENTICATED:
      return 'refused';
  }
}

/** The details without what changes from try to try: a text that stays the same is logged once. */
function tidy(details: string): string {
  return (
    details
      .replace(/^No connection established\. Last error: /, 'no connection: ')
      .replace(/^Channel closed before call started$/, 'the attempt to connect was given up')
      .replace(/\.? Resolution note: .*$/, '')
      .replace(/ ?\(\d{4}-\d\d-\d\dT[\d:.]+Z\)/g, '')
      .replace('Error: ', '')
      // The default of etcd-endpoints is this machine; who has not set it has its members elsewhere.
      .replace(
        /ECONNREFUSED (127\.0\.0\.1|\[?::1\]?):\d+$/,
        '$& (nothing listens there: name your members with etcd-endpoints)',
      )
      .trim()
  );
}

function isServiceError(error: unknown): error is grpc.ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error && typeof error.details === 'string';
}
