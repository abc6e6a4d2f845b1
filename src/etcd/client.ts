import { randomBytes } from 'node:crypto';
import { KVClient, LeaseClient } from 'etcd3';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Revision } from '../domain/route.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { parseEndpoints, type EtcdTls } from './endpoint.js';
import { MemberFailure, memberFailure } from './failure.js';
import { Keyspace, type KeyValue, type Range, type Txn } from './kv.js';
import { Member, type Limits } from './member.js';
import { Members } from './members.js';
import { ReadTogether } from './read-together.js';
import { SHORTEST_KEEP_ALIVE } from './rpc.js';
import { openWatch, type Change, type WatchStream } from './watch-stream.js';

export interface EtcdOptions {
  /** `http://host:port`, `https://host:port` or `host:port`; the first is preferred. */
  readonly endpoints: readonly string[];
  /** Put before every key, as it stands. */
  readonly namespace: string;
  /** For one call, however many members it is tried on. */
  readonly timeout: Milliseconds;
  readonly dialTimeout: Milliseconds;
  readonly keepAliveTime: Milliseconds;
  readonly keepAliveTimeout: Milliseconds;
  readonly tls?: EtcdTls | undefined;
  readonly auth?: { readonly user: string; readonly password: string } | undefined;
}

export interface ReadResult {
  readonly kvs: readonly KeyValue[];
  /** etcd's revision at which this was true. */
  readonly revision: Revision;
}

/** A lease's id is an int64. */
export type LeaseId = bigint;

/**
 * An etcd client. Connects at the first call.
 * @throws PgcmError `usage` for endpoints or certificates that cannot be used
 */
export function createEtcd(options: EtcdOptions, log: Log): Etcd {
  if (options.keepAliveTime < SHORTEST_KEEP_ALIVE) {
    log.warn(
      events.configWarning,
      { option: 'etcd-keep-alive-time' },
      'using 5s: etcd closes connections that are checked more often',
    );
  }
  const members = parseEndpoints(options.endpoints, options.tls).map(
    (endpoint) => new Member(endpoint, options),
  );
  return new Etcd(
    new Members(members, options.timeout, log),
    new Keyspace(options.namespace),
    options.timeout,
  );
}

/**
 * The few things that the stores ask of etcd. Every call has a deadline and goes to another member
 * when one fails. Errors are PgcmErrors: `unavailable`, `timed-out`, `aborted`, and for writes that
 * must not be made twice `in-doubt`.
 */
export class Etcd {
  /** For messages: `etcd (http://10.77.0.11:2379)`. */
  readonly name: string;
  readonly timeout: Milliseconds;
  readonly #members: Members;
  readonly #keyspace: Keyspace;
  readonly #together = new ReadTogether<ReadResult>((ranges) => this.#readAll(ranges));

  constructor(members: Members, keyspace: Keyspace, timeout: Milliseconds) {
    this.name = members.name;
    this.timeout = timeout;
    this.#members = members;
    this.#keyspace = keyspace;
  }

  /** A linearizable read: what a majority of the members holds. */
  async read(range: Range, signal: AbortSignal, timeout = this.timeout): Promise<ReadResult> {
    return this.#members.repeatable(
      whatIsRead(range),
      signal,
      (member, limits) => this.#range(member, range, limits),
      timeout,
    );
  }

  /**
   * The same, with what is read for others of this client in the same turn: for those who follow keys.
   * @param timeout for waiting; the call has the client's own
   */
  async readTogether(range: Range, signal: AbortSignal, timeout = this.timeout): Promise<ReadResult> {
    return runWithDeadline(`${this.name}: ${whatIsRead(range)}`, timeout, signal, () =>
      this.#together.read(range),
    );
  }

  async get(key: string, signal: AbortSignal): Promise<{ kv: KeyValue | undefined; revision: Revision }> {
    const { kvs, revision } = await this.read({ key }, signal);
    return { kv: kvs[0], revision };
  }

  getPrefix(prefix: string, signal: AbortSignal): Promise<ReadResult> {
    return this.read({ prefix }, signal);
  }

  /** @returns the revision of the write. @throws PgcmError also `in-doubt` */
  async put(key: string, value: string | Buffer, signal: AbortSignal, lease?: LeaseId): Promise<Revision> {
    const put = { put: key, value, ...(lease === undefined ? {} : { lease }) };
    const { revision } = await this.txn({ compare: [], then: [put] }, signal);
    return revision;
  }

  /**
   * Writes `then` if all of `compare` is true.
   * @throws PgcmError also `in-doubt`
   */
  async txn(txn: Txn, signal: AbortSignal): Promise<{ succeeded: boolean; revision: Revision }> {
    return this.#members.once(
      describe(txn),
      signal,
      (member, limits) => this.#range(member, { key: keyOf(txn) }, limits),
      (member, limits) => this.#txn(member, txn, limits),
    );
  }

  /**
   * The same for a transaction that leads to the same when it is made twice; never `in-doubt`.
   * `succeeded` may be false because an earlier try of this very call was applied.
   */
  async repeatableTxn(txn: Txn, signal: AbortSignal): Promise<{ succeeded: boolean; revision: Revision }> {
    return this.#members.repeatable(describe(txn), signal, (member, limits) =>
      this.#txn(member, txn, limits),
    );
  }

  /**
   * Grants a lease. The id is chosen here, so that a grant whose answer was lost can be repeated.
   * @param ttl in seconds; etcd may grant another one
   */
  async grantLease(ttl: number, signal: AbortSignal): Promise<{ id: LeaseId; ttl: number }> {
    const id = (randomBytes(8).readBigUInt64BE() >> 1n) | 1n;
    return this.#members.repeatable('grant a lease', signal, async (member, limits) => {
      try {
        const client = new LeaseClient(member.within(limits));
        const granted = await client.leaseGrant({ ID: id.toString(), TTL: ttl });
        return { id, ttl: Number(granted.TTL) };
      } catch (error) {
        if (said(error, 'lease already exists')) return { id, ttl };
        throw error;
      }
    });
  }

  /** @returns the lease's new time to live in seconds; 0 when there is no such lease any more */
  async keepAlive(id: LeaseId, signal: AbortSignal): Promise<number> {
    return this.#members.repeatable(`keep lease ${id.toString(16)} alive`, signal, (member, limits) =>
      keepAlive(member, id, limits),
    );
  }

  /** What is left of a lease, and how long it is after each keep-alive; undefined when there is no such lease. */
  async leaseTimeToLive(
    id: LeaseId,
    signal: AbortSignal,
  ): Promise<{ remaining: Milliseconds; granted: Milliseconds } | undefined> {
    const what = `look at lease ${id.toString(16)}`;
    return this.#members.repeatable(what, signal, async (member, limits) => {
      try {
        const client = new LeaseClient(member.within(limits));
        const { TTL, grantedTTL } = await client.leaseTimeToLive({ ID: id.toString() });
        if (Number(TTL) < 0) return undefined;
        return { remaining: Number(TTL) * 1_000, granted: Number(grantedTTL) * 1_000 };
      } catch (error) {
        if (said(error, 'requested lease not found')) return undefined;
        throw error;
      }
    });
  }

  /** Ends a lease and deletes its keys; done also when it had ended before. */
  async revokeLease(id: LeaseId, signal: AbortSignal): Promise<void> {
    await this.#members.repeatable(`revoke lease ${id.toString(16)}`, signal, async (member, limits) => {
      try {
        await new LeaseClient(member.within(limits)).leaseRevoke({ ID: id.toString() });
      } catch (error) {
        if (!said(error, 'requested lease not found')) throw error;
      }
    });
  }

  /**
   * Watches from `from` on, on the member that answered last. @throws MemberFailure like openWatch;
   * `follow` is what to use.
   */
  watch(
    request: { readonly range: Range; readonly from: Revision },
    onChanges: (changes: readonly Change[]) => void,
    signal: AbortSignal,
  ): Promise<WatchStream> {
    return openWatch(this.#members.current, this.#keyspace, request, onChanges, {
      signal,
      timeout: this.timeout,
    });
  }

  /** Calls go to another member from now on: what hangs on the one before should follow. @returns what ends it */
  onMove(listener: (url: string) => void): () => void {
    return this.#members.onMove(listener);
  }

  /** When etcd last answered a call; undefined: never. A lease that is renewed makes it young. */
  get heardAt(): Milliseconds | undefined {
    return this.#members.heardAt;
  }

  /** Where calls go to now. */
  get url(): string {
    return this.#members.current.url;
  }

  /** Aborted by close, with a PgcmError. */
  get closed(): AbortSignal {
    return this.#members.closed;
  }

  /**
   * Ends all calls, watches and followers, and gives up the leases: nothing holds the process any more,
   * but for one case. gRPC cannot take back an attempt to connect to a host that says nothing at all, and
   * the kernel goes on with it for two minutes: a program that must end now has to say so.
   */
  close(): void {
    this.#members.close();
  }

  async #readAll(ranges: readonly Range[]): Promise<readonly ReadResult[]> {
    const { closed } = this.#members;
    const [only, ...others] = ranges;
    if (only !== undefined && others.length === 0) return [await this.read(only, closed)];
    return this.#members.repeatable(ranges.map(whatIsRead).join(', '), closed, (member, limits) =>
      this.#ranges(member, ranges, limits),
    );
  }

  /** A transaction that only reads is linearizable, as a read is. */
  async #ranges(member: Member, ranges: readonly Range[], limits: Limits): Promise<readonly ReadResult[]> {
    const success = ranges.map((range) => ({ request_range: this.#rangeRequest(range) }));
    const { header, responses } = await new KVClient(member.within(limits)).txn({ compare: [], success });
    const revision = BigInt(header.revision);
    return responses.map(({ response_range: { kvs } }) => ({
      kvs: kvs.map((kv) => this.#keyspace.parse(kv)),
      revision,
    }));
  }

  #rangeRequest(range: Range): ReturnType<Keyspace['range']> & { keys_only: boolean } {
    const keysOnly = 'keysOnly' in range && (range.keysOnly ?? false);
    return { ...this.#keyspace.range(range), keys_only: keysOnly };
  }

  async #range(member: Member, range: Range, limits: Limits): Promise<ReadResult> {
    const { kvs, header } = await new KVClient(member.within(limits)).range(this.#rangeRequest(range));
    return { kvs: kvs.map((kv) => this.#keyspace.parse(kv)), revision: BigInt(header.revision) };
  }

  async #txn(member: Member, txn: Txn, limits: Limits): Promise<{ succeeded: boolean; revision: Revision }> {
    const { succeeded, header } = await new KVClient(member.within(limits)).txn(this.#keyspace.txn(txn));
    return { succeeded, revision: BigInt(header.revision) };
  }
}

async function keepAlive(member: Member, id: LeaseId, limits: Limits): Promise<number> {
  const stream = await new LeaseClient(member.within(limits)).leaseKeepAlive();
  return member.exchange<number>(limits, (resolve, reject) => {
    stream.on('data', ({ TTL }) => {
      resolve(Number(TTL));
      stream.end();
    });
    // The stream goes on reporting errors, its own cancellation among them: they must find a listener.
    stream.on('error', (error) => reject(memberFailure(member.url, error)));
    stream.on('end', () => reject(new MemberFailure('no-answer', member.url, 'etcd ended the stream')));
    stream.write({ ID: id.toString() });
    return () => stream.cancel();
  });
}

function said(error: unknown, text: string): boolean {
  return error instanceof MemberFailure && error.message.includes(text);
}

/** The key whose read shows that the member can serve the transaction, rights included. */
function keyOf({ compare, then }: Txn): string {
  const operation = then[0];
  const written = operation === undefined ? undefined : 'put' in operation ? operation.put : operation.delete;
  return compare[0]?.key ?? written ?? '/';
}

function whatIsRead(range: Range): string {
  return `get ${'key' in range ? range.key : `${range.prefix}*`}`;
}

function describe({ then }: Txn): string {
  return then.map((op) => ('put' in op ? `put ${op.put}` : `delete ${op.delete}`)).join(', ') || 'compare';
}
