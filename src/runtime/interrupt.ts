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
