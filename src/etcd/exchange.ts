import * as grpc from '@grpc/grpc-js';
import type { Milliseconds } from '../domain/time.js';
import { formatDuration } from '../runtime/durations.js';
import { MemberFailure, memberFailure } from './failure.js';

/** Begins something; returns what cancels it. */
export type Start<T> = (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void;

export interface ExchangeLimits {
  readonly signal: AbortSignal;
  readonly timeout: Milliseconds;
  /** Aborted when the client is closed. */
  readonly closed: AbortSignal;
  readonly dialTimeout: Milliseconds;
  /** The connection it goes over, where a connection may have to be made for it. */
  readonly channel?: grpc.Channel | undefined;
}

/**
 * Runs one exchange with a member under a deadline of our own, on the monotonic clock (gRPC's is a
 * date, and wall clocks jump), and a shorter one for coming to a connection: gRPC has none for that,
 * and the kernel's is two minutes.
 *
 * @throws MemberFailure
 */
export function exchange<T>(
  { url }: { readonly url: string },
  { signal, timeout, closed, dialTimeout, channel }: ExchangeLimits,
  start: Start<T>,
): Promise<T> {
  const fail = (kind: MemberFailure['kind'], text: string): MemberFailure =>
    new MemberFailure(kind, url, text);
  const connected = (): boolean =>
    channel === undefined || channel.getConnectivityState(false) === grpc.connectivityState.READY;
  return new Promise<T>((resolve, reject) => {
    let cancel = (): void => undefined;
    const settle = (finish: () => void): void => {
      clearTimeout(deadline);
      clearTimeout(dial);
      signal.removeEventListener('abort', onAbort);
      closed.removeEventListener('abort', onClosed);
      finish();
    };
    const end = (failure: MemberFailure): void => {
      settle(() => reject(failure));
      cancel();
    };
    const onAbort = (): void => end(fail('aborted', 'interrupted'));
    const onClosed = (): void => end(fail('aborted', 'the client was closed'));
    const unconnected = (ms: Milliseconds): void =>
      end(fail('not-sent', `no connection within ${formatDuration(ms)}`));
    const deadline = setTimeout(() => {
      if (connected()) end(fail('timed-out', `no answer within ${formatDuration(Math.round(timeout))}`));
      else unconnected(Math.round(timeout));
    }, timeout);
    const dial = setTimeout(() => {
      if (!connected()) unconnected(dialTimeout);
    }, dialTimeout);
    signal.addEventListener('abort', onAbort);
    closed.addEventListener('abort', onClosed);
    if (signal.aborted || closed.aborted) {
      if (signal.aborted) onAbort();
      else onClosed();
      return;
    }
    cancel = start(
      (value) => settle(() => resolve(value)),
      (error) => settle(() => reject(memberFailure(url, error))),
    );
  });
}
