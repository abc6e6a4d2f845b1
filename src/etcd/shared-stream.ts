import { WatchClient, type IWatchResponse } from 'etcd3';
import { MemberFailure, memberFailure } from './failure.js';
import type { Caller, Limits, Member } from './member.js';
import { SignOfLife, type Habit } from './sign-of-life.js';

export interface WatchRequest {
  readonly key: Buffer;
  readonly range_end?: Buffer;
  readonly start_revision: string;
}

/** One watch on the stream, told of what is its own. */
export interface Watcher {
  readonly request: WatchRequest;
  onCreated(): void;
  onEvents(events: IWatchResponse['events']): void;
  /** No further event will come. */
  onEnd(why: MemberFailure): void;
}

type GrpcStream = Awaited<ReturnType<WatchClient['watch']>>;

/**
 * All watches of one client on one member, over one stream: for etcd a stream costs more than the watches
 * on it, and one question for a sign of life is about all of them. When it ends, all of them end.
 *
 * etcd answers requests for a watch in their order, with the number that the watch has from then on.
 */
export class SharedStream {
  readonly #member: Member;
  readonly #stream: GrpcStream;
  readonly #life: SignOfLife;
  /** Asked for and not answered; undefined: nobody waits for it any more. */
  readonly #asked: (Watcher | undefined)[] = [];
  readonly #watchers = new Map<string, Watcher>();
  #isUsable = true;
  #over: MemberFailure | undefined;
  readonly #onClosed = (): void =>
    this.end(new MemberFailure('aborted', this.#member.url, 'the client was closed'));

  static async open(member: Member, limits: Limits): Promise<SharedStream> {
    const client = new WatchClient(requiringLeader(member.within(limits)));
    return new SharedStream(member, await client.watch());
  }

  private constructor(member: Member, stream: GrpcStream) {
    this.#member = member;
    this.#stream = stream;
    this.#life = new SignOfLife(
      habitOf(member),
      () => stream.write({ progress_request: {} }),
      (text) => this.end(new MemberFailure('timed-out', member.url, text)),
    );
    stream.on('data', (response) => this.#onData(response));
    stream.on('error', (error) => this.end(memberFailure(member.url, error)));
    stream.on('end', () => this.end(new MemberFailure('no-answer', member.url, 'etcd ended the watch')));
    member.closed.addEventListener('abort', this.#onClosed);
    if (member.closed.aborted) this.#onClosed();
  }

  /** Whether more watches may be put on it. */
  get isUsable(): boolean {
    return this.#isUsable;
  }

  add(watcher: Watcher): void {
    if (this.#over !== undefined) {
      watcher.onEnd(this.#over);
      return;
    }
    this.#asked.push(watcher);
    this.#stream.write({ create_request: watcher.request });
  }

  /** Nobody is told; the stream ends with its last watch. */
  remove(watcher: Watcher): void {
    if (this.#over !== undefined) return;
    const asked = this.#asked.indexOf(watcher);
    if (asked !== -1) this.#asked[asked] = undefined;
    for (const [id, other] of this.#watchers) {
      if (other !== watcher) continue;
      this.#watchers.delete(id);
      this.#stream.write({ cancel_request: { watch_id: id } });
    }
    if (this.#watchers.size === 0 && this.#asked.every((one) => one === undefined))
      this.end(new MemberFailure('aborted', this.#member.url, 'nothing is watched any more'));
  }

  /** Ends the stream, and all watches on it. */
  end(why: MemberFailure): void {
    if (this.#over !== undefined) return;
    this.#over = why;
    this.#isUsable = false;
    this.#life.stop();
    this.#member.closed.removeEventListener('abort', this.#onClosed);
    this.#stream.cancel();
    const all = [...this.#watchers.values(), ...this.#asked];
    for (const watcher of all) watcher?.onEnd(why);
  }

  #onData(response: IWatchResponse): void {
    if (this.#over !== undefined) return;
    this.#life.heard(!response.created && !response.canceled && response.events.length === 0);
    if (response.created) this.#onCreated(response);
    else if (response.canceled) this.#onCanceled(response);
    else if (response.events.length > 0) this.#watchers.get(response.watch_id)?.onEvents(response.events);
  }

  #onCreated(response: IWatchResponse): void {
    const watcher = this.#asked.shift();
    if (response.canceled) {
      this.#refused();
      watcher?.onEnd(canceled(this.#member, response));
    } else if (watcher === undefined) {
      this.#stream.write({ cancel_request: { watch_id: response.watch_id } });
    } else {
      this.#watchers.set(response.watch_id, watcher);
      watcher.onCreated();
    }
    this.#life.start();
  }

  /** Also after we gave up a watch: then nobody is waiting to hear it. */
  #onCanceled(response: IWatchResponse): void {
    const watcher = this.#watchers.get(response.watch_id);
    if (watcher === undefined) return;
    this.#watchers.delete(response.watch_id);
    if (response.compact_revision === '0') this.#refused();
    watcher.onEnd(canceled(this.#member, response));
  }

  /** The stream has the token that it was opened with: with a new one it may go better. */
  #refused(): void {
    this.#isUsable = false;
  }
}

const habits = new WeakMap<Member, Habit>();

function habitOf(member: Member): Habit {
  const habit = habits.get(member) ?? { answers: 'not-known' };
  habits.set(member, habit);
  return habit;
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

function canceled(member: Member, { compact_revision, cancel_reason }: IWatchResponse): MemberFailure {
  if (compact_revision !== '0') {
    return new MemberFailure('no-answer', member.url, `history before ${compact_revision} was compacted`);
  }
  // Said also when the token was lost: the next read notices that, and gets a new one.
  const reason = cancel_reason === '' ? 'without a reason' : cancel_reason;
  return new MemberFailure('refused', member.url, `etcd cancelled the watch: ${reason}`);
}
