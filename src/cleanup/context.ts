import type { NodeApi } from '../domain/node-api.js';
import type { FailoverLock, LockHolder, LockView, PauseRequests, ProxyRegistry } from '../domain/stores.js';
import type { Milliseconds } from '../domain/time.js';

export interface CleanupOptions {
  readonly lockTimeout: Milliseconds;
  /** For a node or a proxy to let its clients go on. */
  readonly resumeTimeout: Milliseconds;
  /** For the cluster manager to accept a command. */
  readonly pacemakerTimeout: Milliseconds;
  /** For a node's answer to a question. */
  readonly inspectTimeout: Milliseconds;
  /** The id of a proxy that is not coming back; empty for none. */
  readonly forgetProxy: string;
}

/**
 * One thing that was found, and what came of it.
 *
 *     done    it is taken back
 *     left    it could not be, or nobody could say
 *     note    nothing had to be done
 */
export interface CleanupLine {
  readonly kind: 'done' | 'left' | 'note';
  readonly text: string;
}

export interface CleanupContext {
  readonly options: CleanupOptions;
  readonly apis: readonly NodeApi[];
  readonly view: LockView;
  readonly lock: FailoverLock;
  /** Who cleans up, as the holder of a lock. Its id is used when no run has left one. */
  readonly self: LockHolder;
  readonly requests: PauseRequests;
  readonly proxies: ProxyRegistry;
  /** Is told of each line as soon as it is true. */
  readonly say: (line: CleanupLine) => void;
}
