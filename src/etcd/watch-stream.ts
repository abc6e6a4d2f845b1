import type { IWatchResponse } from 'etcd3';
import type { Revision } from '../domain/route.js';
import { MemberFailure, memberFailure } from './failure.js';
import type { KeyValue, Keyspace, Range } from './kv.js';
import type { Limits, Member } from './member.js';
import { SharedStream, type Watcher, type WatchRequest } from './shared-stream.js';

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

/**
 * Watches keys on one member from a revision on, without the resuming of etcd3's watcher, which can lose
 * history silently. When it ends, for whatever reason, read the keys and open a new one.
 *
 * It ends by itself when the member loses its leader (etcd's `hasleader`), and when it does not answer
 * progress requests any more: a frozen member keeps its connection open and says nothing.
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
  const stream = await streamOf(member, limits.timeout);
  let confirm = (): void => undefined;
  let closed = false;
  let onEnd: (why: MemberFailure) => void = () => undefined;
  const ended = new Promise<MemberFailure>((resolve) => (onEnd = resolve));

  const end = (why: MemberFailure): void => {
    closed = true;
    limits.signal.removeEventListener('abort', onAbort);
    onEnd(why);
  };
  const watcher: Watcher = {
    request: createRequest(keyspace, request),
    onCreated: () => confirm(),
    onEvents: (events) => {
      if (!closed) onChanges(events.map((event) => parseEvent(keyspace, event)));
    },
    onEnd: end,
  };
  const close = (why = 'the watch was closed'): void => {
    if (closed) return;
    end(new MemberFailure('aborted', member.url, why));
    stream.remove(watcher);
  };
  const onAbort = (): void => close();
  limits.signal.addEventListener('abort', onAbort);
  if (limits.signal.aborted) close();

  try {
    await member.exchange<undefined>(limits, (resolve, reject) => {
      confirm = () => resolve(undefined);
      void ended.then(reject);
      if (!closed) stream.add(watcher);
      return () => undefined;
    });
  } catch (error) {
    const failure = memberFailure(member.url, error);
    close(failure.message);
    // Whoever did not confirm a watch in time would not serve the others on this stream either.
    if (failure.kind === 'timed-out') stream.end(failure);
    throw failure;
  }
  return { url: member.url, ended, close };
}

const streams = new WeakMap<Member, Promise<SharedStream>>();

/** The one on which the client's other watches on this member are, if there is any. */
async function streamOf(member: Member, timeout: number): Promise<SharedStream> {
  for (;;) {
    const known = streams.get(member);
    // Not with the signal of one of those who will use it.
    const opening = known ?? SharedStream.open(member, { signal: member.closed, timeout });
    if (known === undefined) streams.set(member, opening);
    const forget = (): void => {
      if (streams.get(member) === opening) streams.delete(member);
    };
    try {
      const stream = await opening;
      if (stream.isUsable) return stream;
    } catch (error) {
      forget();
      throw error;
    }
    forget();
  }
}

function createRequest(
  keyspace: Keyspace,
  { range, from }: { readonly range: Range; readonly from: Revision },
): WatchRequest {
  return { ...keyspace.range(range), start_revision: from.toString() };
}

function parseEvent(keyspace: Keyspace, event: IWatchResponse['events'][number]): Change {
  const kv = keyspace.parse(event.kv);
  // The .proto's names come in capitals, whatever etcd3's types say.
  return (event.type as string).toUpperCase() === 'DELETE'
    ? { kind: 'delete', key: kv.key, modRevision: kv.modRevision }
    : { kind: 'put', kv };
}
