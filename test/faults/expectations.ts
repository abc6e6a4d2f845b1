import { stepNames, type FaultCase, type FaultSignal, type StepName, type Victim } from './cases.js';

/**
 * What a switchover may come to when something dies in one of its steps: the exit statuses, worked out
 * from the design before anything was run. Where two are written, a race decides: whether a daemon that
 * was killed is back (after a second or two) before it is asked again, or how far an election of etcd's
 * got. What each status claims is held against the cluster afterwards (see truth.ts).
 *
 *     0  done                             4  rolled back: clients saw no error, nothing was moved
 *     3  refused: nothing was touched     5  failed after the move began
 *     6  done, but a clean-up is left     killed  it has no status and leaves no report
 *
 *   command          Killed: nobody reports. Frozen for longer than its lock's lease it must do nothing
 *                    more: before the lock it has lost nothing; up to the pause it ends as rolled back
 *                    (its release finds the lock gone, which may count as a clean-up that is left); after
 *                    the move nothing may claim to be done, but when only the unlock was left.
 *   supervise-*      Killed it is back after 2 s. The check refuses a node that does not answer. A
 *                    checkpoint needs the old primary, the proof of the target's writes needs the target,
 *                    the rejoin the old primary. Frozen it is restarted by its watchdog after 10 s.
 *   proxy-app        Killed it is back after 2 s and takes up the request. Frozen it acknowledges nothing
 *                    until its watchdog strikes, which is longer than pause-timeout and resume-timeout.
 *   bouncer-app      Killed it comes back running, and its proxy pauses it again. Frozen its console
 *                    answers nothing: no pause and no release is acknowledged.
 *   etcd-*           An election takes up to 4 s, longer than etcd-timeout (3 s): a read or a write within
 *                    it may fail, and a mandate cannot be verified. The lease is not lost (10 s).
 */
export type ExpectedStatus = number | 'killed';

// Per step:  check  lock  checkpoint  pause  migrate  release  unmigrate  rejoin  unlock
const table: Readonly<Record<Victim, Readonly<Record<FaultSignal, string>>>> = {
  command: {
    SIGKILL: '  killed killed killed    killed killed   killed   killed     killed  killed',
    SIGSTOP: '  0      4      4         4|6    5|6      5|6      6          6       0|6',
  },
  'supervise-old': {
    SIGKILL: '  0|3    0|4    0|4       0      0        0        0          0|6     0',
    SIGSTOP: '  3      0|4    0|4       0|4|5  0|6      0|6      0|6        0|6     0',
  },
  'supervise-target': {
    SIGKILL: '  0|3    0|4    0|4       0      0        0        0          0       0',
    SIGSTOP: '  3      0|4    0|4       0|4|5  0        0        0          0       0',
  },
  'supervise-third': {
    SIGKILL: '  0|3    0      0         0      0        0        0          0       0',
    SIGSTOP: '  3      0|4    0|4       0|4|5  0        0        0          0       0',
  },
  'proxy-app': {
    SIGKILL: '  0|3|4  0|4    0|4       0      0        0|6      0          0       0',
    SIGSTOP: '  3|4    4      4         0|6    0|6      6        0          0       0',
  },
  'bouncer-app': {
    SIGKILL: '  0|3|4  0|4    0|4       0      0        0|6      0          0       0',
    SIGSTOP: '  3|4    4      4         0|6    0|6      6        0          0       0',
  },
  'etcd-leader': {
    SIGKILL: '  0|3|4  0|4    0|4       0|4|5  0|5|6    0|6      0|6        0|6     0|6',
    SIGSTOP: '  0|3|4  0|4    0|4       0|4|5  0|5|6    0|6      0|6        0|6     0|6',
  },
  'etcd-member': {
    SIGKILL: '  0|3|4  0|4    0|4       0|4|5  0|5|6    0|6      0|6        0|6     0|6',
    SIGSTOP: '  0|3|4  0|4    0|4       0|4|5  0|5|6    0|6      0|6        0|6     0|6',
  },
};

export interface Expectation {
  readonly statuses: readonly ExpectedStatus[];
  /**
   * Whether a finished switchover's clients may see errors: only of a bouncer that itself dies, and only
   * its own.
   */
  readonly errorsAt: string | undefined;
}

export function expectationOf({ victim, signal, step }: FaultCase): Expectation {
  const words = table[victim][signal].trim().split(/\s+/);
  const word = words[stepNames.indexOf(step)] ?? '';
  return {
    statuses: word.split('|').map((text) => (text === 'killed' ? text : Number(text))),
    errorsAt: victim === 'bouncer-app' ? 'app01' : undefined,
  };
}

/** The statuses that say where the primary is: 5 and 6 do not, their message does. */
export function primaryAfter(status: ExpectedStatus, step: StepName): 'old' | 'target' | 'either' {
  if (status === 0) return 'target';
  if (status === 3 || status === 4) return 'old';
  if (status !== 'killed') return 'either';
  const moved = stepNames.indexOf(step) >= stepNames.indexOf('migrate');
  // Once the cluster manager has accepted the move it sees it through, whoever asked for it.
  return moved ? 'target' : 'old';
}
