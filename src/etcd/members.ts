import { describeError, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { abortError, sleep } from '../runtime/deadline.js';
import { patientTimer } from '../runtime/patience.js';
import { MemberFailure } from './failure.js';
import type { Limits, Member } from './member.js';

export type MemberCall<T> = (member: Member, limits: Limits) => Promise<T>;

/** Between two rounds over all members, when at least one of them was reached. */
const ROUND_PAUSE: Milliseconds = 50;

/** A member that answered so recently is taken to be alive and in touch with its leader. */
const FRESH: Milliseconds = 500;

/**
 * The members of one etcd, of which any can serve a request. One is kept as long as it answers; when
 * it does not soon, the next is asked as well, and who answers first is kept from then on.
 */
export class Members {
  /** For messages: `etcd (http://10.77.0.11:2379, http://10.77.0.12:2379)`. */
  readonly name: string;
  readonly #members: readonly Member[];
  readonly #timeout: Milliseconds;
  readonly #log: Log;
  #current: Member | undefined;
  #answeredAt: Milliseconds = -Infinity;
  #heardAt: Milliseconds | undefined;
  readonly #closed = new AbortController();
  readonly #onMove = new Set<(url: string) => void>();

  constructor(members: readonly Member[], timeout: Milliseconds, log: Log) {
    this.#members = members;
    this.#timeout = timeout;
    this.#log = log;
    this.name = `etcd (${members.map((member) => member.url).join(', ')})`;
  }

  /**
   * A call that may be made twice: a read, or a write that leads to the same when it is repeated.
   * @throws PgcmError `unavailable`, `timed-out`, `aborted`
   */
  async repeatable<T>(
    what: string,
    signal: AbortSignal,
    call: MemberCall<T>,
    timeout = this.#timeout,
  ): Promise<T> {
    return this.#rounds(what, signal, monotonic() + timeout, call);
  }

  /** When any member last answered a call; undefined: never. */
  get heardAt(): Milliseconds | undefined {
    return this.#heardAt;
  }

  /** The member that answered last: where a watch goes, after a read has found a live one. */
  get current(): Member {
    const member = this.#current ?? this.#members[0];
    if (member === undefined) throw new PgcmError('internal', 'etcd: no member is known');
    return member;
  }

  /**
   * A call that must be made at most once. It goes to a member that has just answered `probe`, so that
   * a frozen one is found out while there is nothing to lose yet.
   * @throws PgcmError also `in-doubt`: sent, but the answer is lost
   */
  async once<T>(
    what: string,
    signal: AbortSignal,
    probe: MemberCall<unknown>,
    call: MemberCall<T>,
  ): Promise<T> {
    const end = monotonic() + this.#timeout;
    for (;;) {
      const member = await this.#alive(what, signal, end, probe);
      const timeout = Math.max(1, end - monotonic());
      try {
        const value = await call(member, { signal, timeout });
        this.#answered(member);
        return value;
      } catch (error) {
        if (!(error instanceof MemberFailure)) throw error;
        this.#answeredAt = -Infinity;
        if (error.kind !== 'not-sent' || monotonic() >= end) throw this.#writeError(what, signal, error);
        // It never left this host, so it may go to another member.
      }
    }
  }

  /**
   * Tells when another member became the one that is kept: the one before did not answer, or not soon.
   * @returns what ends it
   */
  onMove(listener: (url: string) => void): () => void {
    this.#onMove.add(listener);
    return () => this.#onMove.delete(listener);
  }

  /** Aborted by close. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  close(): void {
    this.#closed.abort(new PgcmError('aborted', `${this.name}: the client was closed`));
    for (const member of this.#members) member.close();
  }

  async #alive(
    what: string,
    signal: AbortSignal,
    end: Milliseconds,
    probe: MemberCall<unknown>,
  ): Promise<Member> {
    if (this.#current === undefined || monotonic() - this.#answeredAt > FRESH) {
      await this.#rounds(what, signal, end, probe);
    }
    return this.current;
  }

  async #rounds<T>(what: string, signal: AbortSignal, end: Milliseconds, call: MemberCall<T>): Promise<T> {
    for (;;) {
      const outcome = await this.#round(signal, end, call);
      if ('member' in outcome) {
        this.#answered(outcome.member, outcome.failures);
        return outcome.value;
      }
      // A member that was reached but could not help is likely to be between two leaders: that passes.
      const passing = outcome.failures.every(({ kind }) => kind !== 'refused' && kind !== 'aborted');
      const reached = outcome.failures.some(({ kind }) => kind === 'no-answer');
      const again = passing && reached && monotonic() + ROUND_PAUSE < end;
      if (!again || (await sleep(ROUND_PAUSE, signal)) === 'aborted') {
        throw this.#readError(what, signal, outcome.failures);
      }
    }
  }

  /** Asks one member after the other, the next one also when an answer is late; the first answer counts. */
  #round<T>(signal: AbortSignal, end: Milliseconds, call: MemberCall<T>): Promise<Outcome<T>> {
    const order = this.#order();
    const patience = Math.min(500, this.#timeout / (order.length + 1));
    const losers = new AbortController();
    const failures: MemberFailure[] = [];
    return new Promise((resolve, reject) => {
      let asked = 0;
      let settled = false;
      let dropNext = (): void => undefined;
      const onAbort = (): void => losers.abort(signal.reason);
      const settle = (finish: () => void): void => {
        settled = true;
        dropNext();
        signal.removeEventListener('abort', onAbort);
        finish();
        // With a reason: without one Node makes an error with a stack trace, for each call to etcd.
        if (asked > 1) losers.abort('another member has answered');
      };
      const ask = (): void => {
        const member = order[asked];
        if (member === undefined) return;
        asked += 1;
        dropNext();
        if (asked < order.length) dropNext = patientTimer(patience, ask);
        const timeout = Math.max(1, end - monotonic());
        call(member, { signal: losers.signal, timeout }).then(
          (value) => settle(() => resolve({ member, value, failures })),
          (error: unknown) => {
            if (settled) return;
            if (!(error instanceof MemberFailure)) {
              settle(() => reject(asError(error)));
              return;
            }
            failures.push(error);
            const final = error.kind === 'refused' || error.kind === 'aborted';
            if (final || failures.length === order.length) settle(() => resolve({ failures }));
            else if (failures.length === asked) ask();
          },
        );
      };
      signal.addEventListener('abort', onAbort);
      if (signal.aborted) onAbort();
      ask();
    });
  }

  #order(): readonly Member[] {
    const at = this.#current === undefined ? 0 : this.#members.indexOf(this.#current);
    return [...this.#members.slice(at), ...this.#members.slice(0, at)];
  }

  #answered(member: Member, failures: readonly MemberFailure[] = []): void {
    this.#answeredAt = this.#heardAt = monotonic();
    if (this.#current === member) return;
    const previous = this.#current;
    this.#current = member;
    const why = failures.find(({ url }) => url === previous?.url)?.message;
    this.#log.info(events.etcdConnected, {
      endpoint: member.url,
      previous: previous?.url,
      error: previous && (why ?? 'it was slow to answer'),
    });
    for (const listener of [...this.#onMove]) listener(member.url);
  }

  #readError(what: string, signal: AbortSignal, failures: readonly MemberFailure[]): PgcmError {
    const tried = `${this.name}: ${what}`;
    if (signal.aborted) return abortError(signal, tried);
    const kinds = new Set(failures.map(({ kind }) => kind));
    const code = kinds.has('aborted')
      ? 'aborted'
      : kinds.size === 1 && kinds.has('timed-out')
        ? 'timed-out'
        : 'unavailable';
    return new PgcmError(code, `${tried}: ${this.#said(failures)}`, { cause: failures[0]?.cause });
  }

  #writeError(what: string, signal: AbortSignal, failure: MemberFailure): PgcmError {
    const tried = `etcd (${failure.url}): ${what}`;
    switch (failure.kind) {
      case 'refused':
      case 'bad-token':
      case 'not-sent':
        return new PgcmError('unavailable', `${tried}: ${failure.message}`, { cause: failure.cause });
      case 'no-answer':
      case 'timed-out':
      case 'aborted':
        return new PgcmError('in-doubt', `${tried}: sent, but the answer is lost (${failure.message})`, {
          cause: signal.aborted ? signal.reason : failure.cause,
        });
    }
  }

  /** `no answer within 3s` when all say the same, else each with its member's name. */
  #said(failures: readonly MemberFailure[]): string {
    const texts = new Set(failures.map(({ message }) => message));
    if (texts.size === 1 && failures.length === this.#members.length) return [...texts].join();
    return failures.map(({ url, message }) => `${url}: ${message}`).join('; ');
  }
}

type Outcome<T> =
  | { readonly member: Member; readonly value: T; readonly failures: readonly MemberFailure[] }
  | { readonly failures: readonly MemberFailure[] };

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(describeError(error));
}
