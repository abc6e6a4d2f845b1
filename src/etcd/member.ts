import { setMaxListeners } from 'node:events';
import * as grpc from '@grpc/grpc-js';
import { AuthClient, type ICallable } from 'etcd3';
import type { Milliseconds } from '../domain/time.js';
import type { Endpoint } from './endpoint.js';
import { exchange, type Start } from './exchange.js';
import { MemberFailure, memberFailure } from './failure.js';
import { channelOptions, serviceClient, type KeepAlive, type ServiceName } from './rpc.js';

export interface MemberOptions extends KeepAlive {
  /** To come to a connection, TLS included. */
  readonly dialTimeout: Milliseconds;
  readonly auth?: { readonly user: string; readonly password: string } | undefined;
}

/** What ends a call, whatever the other side does. */
export interface Limits {
  readonly signal: AbortSignal;
  readonly timeout: Milliseconds;
}

/** etcd3's typed clients take this: `new KVClient(member.within(limits)).range(...)`. */
export type Caller = ICallable<Member>;

type UnaryMethod = (
  payload: unknown,
  metadata: grpc.Metadata,
  options: grpc.CallOptions,
  callback: (error: grpc.ServiceError | null, response?: unknown) => void,
) => grpc.ClientUnaryCall;

/**
 * One etcd member, under etcd3's typed clients and in place of its connection pool, whose circuit
 * breakers go on refusing after all members died, whose retries repeat a transaction that may have
 * been applied, and whose calls to a frozen member wait for ever.
 *
 * A connection on which a call got no answer is not trusted again: the next call makes a new one.
 */
export class Member {
  readonly url: string;
  readonly #endpoint: Endpoint;
  readonly #options: MemberOptions;
  readonly #closed = new AbortController();
  #channel: grpc.Channel | undefined;
  #token: Promise<string> | undefined;

  constructor(endpoint: Endpoint, options: MemberOptions) {
    this.url = endpoint.url;
    this.#endpoint = endpoint;
    this.#options = options;
    // Every call listens to it; Node warns from the eleventh on.
    setMaxListeners(0, this.#closed.signal);
  }

  /** Calls to this member end within `limits`; they reject with a MemberFailure. */
  within(limits: Limits): Caller {
    return {
      callOptionsFactory: undefined,
      exec: <T>(service: ServiceName, method: string, payload: unknown) =>
        this.#withToken(limits, (metadata) => this.#unary<T>(service, method, payload, metadata, limits)),
      // For streams: whoever opens one ends it when its signal is aborted, or when the member is closed.
      withConnection: async (service, work) => {
        const metadata = await this.#metadata(limits);
        return work({ resource: this, client: serviceClient(service, this.#open()), metadata });
      },
      markFailed: () => undefined,
    };
  }

  /** Aborted when the member is closed. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** The next call makes a new connection. Calls and streams on the old one run to their end. */
  reconnect(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }

  /** One exchange over a stream, within the limits. @throws MemberFailure */
  exchange<T>(limits: Limits, start: Start<T>): Promise<T> {
    return this.#bounded(limits, start);
  }

  /** Forget the token: etcd refused something that it should allow. */
  forgetToken(): void {
    this.#token = undefined;
  }

  close(): void {
    this.#closed.abort();
    this.reconnect();
  }

  #open(): grpc.Channel {
    if (this.#closed.signal.aborted) throw new MemberFailure('not-sent', this.url, 'the client is closed');
    const { target, credentials, options } = this.#endpoint;
    this.#channel ??= new grpc.Channel(target, credentials, { ...channelOptions(this.#options), ...options });
    return this.#channel;
  }

  /** Repeats a call once when etcd did not know the token: it was refused, so nothing happens twice. */
  async #withToken<T>(limits: Limits, call: (metadata: grpc.Metadata) => Promise<T>): Promise<T> {
    const metadata = await this.#metadata(limits);
    try {
      return await call(metadata);
    } catch (error) {
      if (!(error instanceof MemberFailure)) throw error;
      // etcd takes the name in the client certificate for the user where there is no token: authentication
      // that was enabled while we were connected shows as a lack of rights then.
      const noToken = this.#options.auth !== undefined && metadata.get('token').length === 0;
      const denied = noToken && error.message.includes('permission denied');
      if (error.kind !== 'bad-token' && !denied) throw error;
      if (this.#options.auth === undefined) {
        throw new MemberFailure('refused', this.url, `${error.message}: etcd wants a user and a password`);
      }
      this.forgetToken();
      return await call(await this.#metadata(limits));
    }
  }

  async #metadata(limits: Limits): Promise<grpc.Metadata> {
    const metadata = new grpc.Metadata();
    if (this.#options.auth === undefined) return metadata;
    const token = await this.#sharedToken(limits);
    if (token !== '') metadata.set('token', token);
    return metadata;
  }

  /** One authentication for all calls that wait for it, so it may not end with the signal of one of them. */
  #sharedToken(limits: Limits): Promise<string> {
    const { auth } = this.#options;
    if (auth === undefined) return Promise.resolve('');
    if (this.#token === undefined) {
      const asked = this.#authenticate(auth, limits.timeout);
      this.#token = asked;
      asked.catch(() => {
        if (this.#token === asked) this.#token = undefined;
      });
    }
    const token = this.#token;
    return this.#bounded<string>(limits, (resolve, reject) => {
      token.then(resolve, reject);
      return () => undefined;
    });
  }

  async #authenticate(
    { user, password }: { user: string; password: string },
    timeout: Milliseconds,
  ): Promise<string> {
    const limits = { signal: this.#closed.signal, timeout };
    const caller: Caller = {
      ...this.within(limits),
      exec: <T>(service: ServiceName, method: string, payload: unknown) =>
        this.#unary<T>(service, method, payload, new grpc.Metadata(), limits),
    };
    try {
      return (await new AuthClient(caller).authenticate({ name: user, password })).token;
    } catch (error) {
      const failure = memberFailure(this.url, error);
      // Like etcd's own client: a user is configured here, but etcd does not ask for one (yet).
      if (failure.message.includes('authentication is not enabled')) return '';
      throw failure;
    }
  }

  #unary<T>(
    service: ServiceName,
    method: string,
    payload: unknown,
    metadata: grpc.Metadata,
    limits: Limits,
  ): Promise<T> {
    const channel = this.#open();
    const answer = this.#bounded<T>(
      limits,
      (resolve, reject) => {
        const client = serviceClient(service, channel) as unknown as Record<string, UnaryMethod>;
        const call = client[method]?.(payload, metadata, {}, (error, response) => {
          if (error !== null) reject(error);
          else resolve(response as T);
        });
        return () => call?.cancel();
      },
      channel,
    );
    return answer.catch((error: unknown) => {
      const failure = memberFailure(this.url, error);
      const trusted =
        failure.kind === 'refused' || failure.kind === 'bad-token' || failure.kind === 'aborted';
      if (!trusted && this.#channel === channel) this.reconnect();
      throw failure;
    });
  }

  /** One exchange with this member, within the limits. */
  #bounded<T>(limits: Limits, start: Start<T>, channel?: grpc.Channel): Promise<T> {
    const { dialTimeout } = this.#options;
    return exchange(this, { ...limits, closed: this.closed, dialTimeout, channel }, start);
  }
}
