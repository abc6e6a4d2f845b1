import { WatchClient, type IWatchResponse } from 'etcd3';
import type { Revision } from '../domain/route.js';
import type { Milliseconds } from '../domain/time.js';
import { formatDuration } from '../runtime/durations.js';
import { MemberFailure, memberFailure } from './failure.js';
import type { KeyValue, Keyspace, Range } from './kv.js';
import type { Caller, Limits, Member } from './member.js';

export type Change =
  | { readonly kind: 'put'; readonly kv: KeyValue }
  | { readonly kind: 'delete'; readonly key: string; readonly modRevision: Revision };

export interface WatchStream {
  /** The member that it is on. */
  readonly url: string;
  /** Resolves when no further change will come, with the reason. Never rejects. */
  readonly ended: Promise<MemberFailure>;
  /** @param why what `ended` says */
  close(why?: string): void;
}

/** A watch is asked for a sign of life this often. */
const PROBE_INTERVAL: Milliseconds = 2_000;
/** It has so long to give one: far more than a healthy member needs, so that a busy one is not left. */
const PROBE_TIMEOUT: Milliseconds = 1_500;

/**
 * Watches keys on one member from a revision on: one stream, without the resuming of etcd3's watcher,
 * which can lose history silently. When it ends, for whatever reason, read the keys and open a new one.
 *
 * The stream ends by itself when the member loses its leader (etcd's `hasleader`), and when it does
 * not answer progress requests any more: a frozen member keeps its connection open and says nothing.
 *
 * @param limits its timeout is for the creation; the signal ends the watch, also later
 * @returns when etcd confirmed the watch
 * @throws MemberFailure
 */
export async function openWatch(
  member: Member,
  keyspace: Keyspace,
  request: { readonly range: Range; readonly from: Revision },
  onChanges: (changes: readonly Change[]) => void,
  limits: Limits,
): Promise<WatchStream> {
  const stream = await new WatchClient(requiringLeader(member.within(limits))).watch();
  let closed = false;
  let probed = false;
  let nextProbe: NodeJS.Timeout | undefined;
  let patience: NodeJS.Timeout | undefined;
  let confirm = (): void => undefined;
  let onEnd: (why: MemberFailure) => void = () => undefined;
  const ended = new Promise<MemberFailure>((resolve) => (onEnd = resolve));

  const end = (why: MemberFailure): void => {
    if (closed) return;
    closed = true;
    clearTimeout(nextProbe);
    clearTimeout(patience);
    limits.signal.removeEventListener('abort', onAbort);
    member.closed.removeEventListener('abort', onAbort);
    stream.cancel();
    onEnd(why);
  };
  const close = (why = 'the watch was closed'): void => end(new MemberFailure('aborted', member.url, why));
  const onAbort = (): void => close();
  const sendProbe = (): void => {
    nextProbe = setTimeout(sendProbe, PROBE_INTERVAL);
    stream.write({ progress_request: {} });
    // Before version 3.4 etcd does not know the request: silence says something only after an answer.
    if (!probed || patience !== undefined) return;
    patience = setTimeout(() => {
      end(
        new MemberFailure(
          'timed-out',
          member.url,
          `the watch is silent for ${formatDuration(PROBE_TIMEOUT)}`,
        ),
      );
    }, PROBE_TIMEOUT);
  };
  const onData = (response: IWatchResponse): void => {
    if (closed) return;
    clearTimeout(patience);
    patience = undefined;
    if (response.canceled) end(canceled(member, response));
    else if (response.created) {
      confirm();
      sendProbe();
    } else if (response.events.length === 0) probed = true;
    else onChanges(response.events.map((event) => parseEvent(keyspace, event)));
  };

  stream.on('data', onData);
  stream.on('error', (error) => end(memberFailure(member.url, error)));
  stream.on('end', () => end(new MemberFailure('no-answer', member.url, 'etcd ended the watch')));
  limits.signal.addEventListener('abort', onAbort);
  member.closed.addEventListener('abort', onAbort);
  if (limits.signal.aborted || member.closed.aborted) close();

  try {
    await member.exchange<undefined>(limits, (resolve, reject) => {
      confirm = () => resolve(undefined);
      void ended.then(reject);
      if (!closed) stream.write({ create_request: createRequest(keyspace, request) });
      return () => undefined;
    });
  } catch (error) {
    end(memberFailure(member.url, error));
    throw error;
  }
  return { url: member.url, ended, close };
}

function createRequest(
  keyspace: Keyspace,
  { range, from }: { readonly range: Range; readonly from: Revision },
): { key: Buffer; range_end?: Buffer; start_revision: string } {
  return { ...keyspace.range(range), start_revision: from.toString() };
}

function requiringLeader(caller: Caller): Caller {
  return {
    ...caller,
    withConnection: (service, work) =>
      caller.withConnection(service, (connection) => {
        connection.metadata.set('hasleader', 'true');
        return work(connection);
      }),
  };
}

function parseEvent(keyspace: Keyspace, event: IWatchResponse['events'][number]): Change {
  const kv = keyspace.parse(event.kv);
  // The .proto's names come in capitals, whatever etcd3's types say.
  return (event.type as string).toUpperCase() === 'DELETE'
    ? { kind: 'delete', key: kv.key, modRevision: kv.modRevision }
    : { kind: 'put', kv };
}

function canceled(member: Member, { compact_revision, cancel_reason }: IWatchResponse): MemberFailure {
  if (compact_revision !== '0') {
    return new MemberFailure('no-answer', member.url, `history before ${compact_revision} was compacted`);
  }
  // Said also when the token was lost: the next read notices that, and gets a new one.
  const reason = cancel_reason === '' ? 'without a reason' : cancel_reason;
  return new MemberFailure('refused', member.url, `etcd cancelled the watch: ${reason}`);
}
