import { setMaxListeners } from 'node:events';
import { PgcmError } from '../domain/errors.js';

/**
 * The signals that ask pgcm to end, and its exit status when one of them cut its work short (128 and the
 * signal's number). SIGHUP is one: the ssh session of a running failover may be lost.
 */
export const interruptStatus = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

export type InterruptSignal = keyof typeof interruptStatus;

/** The reason with which the program's own abort signal is aborted. */
export class Interrupted extends PgcmError {
  readonly signalName: InterruptSignal;
  readonly exitStatus: number;

  constructor(signalName: InterruptSignal) {
    super('aborted', `interrupted by ${signalName}`);
    this.name = 'Interrupted';
    this.signalName = signalName;
    this.exitStatus = interruptStatus[signalName];
  }
}

/** The part of `process` that signals need; only main has the real one. */
export interface SignalSource {
  on(signal: InterruptSignal, handler: () => void): unknown;
  exit(status: number): void;
}

/**
 * An abort signal that the first of these signals aborts, so that work can be undone. The second one ends
 * the process at once: somebody wants it over now, whatever is left undone.
 */
export function abortOnSignals(source: SignalSource): AbortSignal {
  const interrupt = new AbortController();
  // One for each question that is under way; Node would warn of a leak, on the user's terminal, from 11 on.
  setMaxListeners(0, interrupt.signal);
  for (const name of Object.keys(interruptStatus) as InterruptSignal[]) {
    source.on(name, () => {
      if (interrupt.signal.aborted) source.exit(interruptStatus[name]);
      interrupt.abort(new Interrupted(name));
    });
  }
  return interrupt.signal;
}
