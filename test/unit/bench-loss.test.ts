import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LossResult } from '../../bench/lose.js';
import { lossFigures, storyOfLoss, summariseLosses } from '../../bench/loss-figures.js';
import { fencingIn } from '../../bench/fencing.js';
import { mostPerClient } from '../../bench/measure.js';
import type { Ack, Failure } from '../../bench/records.js';
import type { HostStatus } from '../../playground/protocol.js';

const pg = (name: string): HostStatus => ({
  name,
  kind: 'postgres',
  address: `10.77.0.1${name.at(-1) ?? ''}`,
  power: 'on',
  fenced: false,
  started: true,
  cable: 'plugged',
  since: '',
});

function ack(client: number, id: number, sent: number, done: number): Ack {
  return { kind: 'ack', client, id, sent, done };
}

function failure(client: number, id: number, done: number): Failure {
  return { kind: 'failure', client, during: 'statement', id, sent: 1_000, done, message: 'gone' };
}

/** Two clients; the primary is lost at 1,000, another one takes writes at 3,000. */
function loss(changes: Partial<LossResult> = {}): LossResult {
  return {
    before: { primary: pg('pg01'), sync: pg('pg02'), timeline: 1 },
    struck: { from: 1_000, to: 1_010 },
    primary: pg('pg02'),
    writable: 3_000,
    targets: [{ name: 'app01', host: '10.77.0.101', port: 6432, clients: 2 }],
    window: { from: 0, to: 5_000 },
    acks: [ack(0, 1, 980, 990), ack(1, 2, 985, 1_020), ack(0, 3, 1_000, 3_120), ack(1, 5, 3_120, 3_130)],
    failures: [failure(1, 4, 3_100)],
    present: new Set([1, 2, 3, 5]),
    fencing: undefined,
    daemons: [],
    ...changes,
  };
}

describe('the figures of a loss', () => {
  it('count the manager from the fault, and the rest of the time without a write as overhead', () => {
    const { stall, manager, overhead, maxWait } = lossFigures(loss());
    assert.deepEqual(
      { stall, manager, overhead, maxWait },
      {
        ...{ stall: 2_100, manager: 2_000 },
        ...{ overhead: 100, maxWait: 2_120 },
      },
    );
  });

  it('tell what was acknowledged and is gone, and what failed and is there', () => {
    const { lost, doubt, errors } = lossFigures(loss({ present: new Set([1, 3, 4, 5]) }));
    assert.deepEqual({ lost, doubt, errors }, { lost: 1, doubt: 1, errors: 1 });
  });

  it('have the errors of the client that saw most, in the worst of the runs', () => {
    assert.equal(mostPerClient([failure(0, 1, 1), failure(1, 2, 1), failure(1, 3, 1)]), 2);
    assert.equal(mostPerClient([]), 0);
    const runs = [
      loss(),
      loss({ failures: [failure(1, 4, 3_100), failure(1, 6, 3_200)] }),
      loss({ failures: [] }),
    ];
    const { errors, errors_per_client_max, overhead_ms } = summariseLosses(runs.map(lossFigures));
    assert.deepEqual({ errors, errors_per_client_max }, { errors: 3, errors_per_client_max: 2 });
    assert.deepEqual(overhead_ms, { min: 100, median: 100, max: 100 });
  });

  it('have the time of fencing of the runs that had one', () => {
    assert.equal(summariseLosses([lossFigures(loss())]).fencing_ms, undefined);
    const { fencing_ms } = summariseLosses(
      [loss({ fencing: 40 }), loss(), loss({ fencing: 90 })].map(lossFigures),
    );
    assert.deepEqual(fencing_ms, { min: 40, median: 65, max: 90 });
  });

  it('read the time of the newest fencing from the log of Pacemaker', () => {
    const log = [
      'Nov 30 15:20:00.100 pg02 pacemaker-controld  [1] (controld_execute_fence_action) 	notice: Requesting fencing (off) of node pg01 | action=1 timeout=60000',
      'Nov 30 15:20:09.000 pg02 pacemaker-controld  [1] (tengine_stonith_callback) 	notice: Fence operation 2 for pg01 succeeded',
      'Nov 30 15:28:57.900 pg02 pacemaker-controld  [1] (controld_execute_fence_action) 	notice: Requesting fencing (off) of node pg01 | action=1 timeout=60000',
      'Nov 30 15:28:57.908 pg02 pacemaker-fenced    [2] (initiate_remote_stonith_op) 	notice: Requesting peer fencing (off) targeting pg01 | id=8c6b95f8 state=querying base_timeout=60',
      'Nov 30 15:28:57.950 pg02 pacemaker-controld  [1] (controld_execute_fence_action) 	notice: Requesting fencing (off) of node pg03 | action=1 timeout=60000',
      'Nov 30 15:28:58.123 pg02 pacemaker-controld  [1] (tengine_stonith_callback) 	info: Fence operation 3 for pg01 succeeded',
      '',
    ].join('\n');
    assert.equal(fencingIn(log, 'pg01'), 223);
    assert.equal(fencingIn(log, 'pg02'), undefined);
    assert.equal(fencingIn(log, 'pg03'), undefined, 'it is under way');
  });

  it('are told with what happened when, counted from the fault', () => {
    assert.deepEqual(
      storyOfLoss(loss()).map((line) => line.trim()),
      [
        '0 ms  == struck',
        '20 ms  == the last acknowledged write',
        '2000 ms  == pg02 takes writes',
        '2120 ms  == the first acknowledged write after the stall',
      ],
    );
  });
});
