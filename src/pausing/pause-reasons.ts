/** What makes a daemon pause: the request of a switchover, by its id; a call of the failover API; the loss of the primary. */
export type PauseReason = `request:${string}` | 'api' | 'hold';

/** A reason as it is counted and labelled: a switchover's id would make a new series of each. */
export type PauseKind = (typeof pauseKinds)[number];

export const pauseKinds = ['request', 'api', 'hold'] as const;

export function kindOfPause(reason: PauseReason): PauseKind {
  return reason === 'api' || reason === 'hold' ? reason : 'request';
}
