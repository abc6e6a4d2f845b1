import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAddress } from '../../src/domain/address.js';
import { PgcmError } from '../../src/domain/errors.js';
import { events } from '../../src/domain/events.js';
import type { NodeState } from '../../src/domain/switchover.js';
import { untilAborted } from '../../src/runtime/deadline.js';
import { Presence } from '../../src/supervise/presence.js';
import { FakeLog } from '../fakes/log.js';
import { eventually } from '../support/eventually.js';

describe('presence', () => {
  for (const [bindAddress, address, api] of [
    [':8080', '10.77.0.11', '10.77.0.11:8080'],
    [':8080', '2001:db8::1', '[2001:db8::1]:8080'],
    ['192.0.2.1:9000', '10.77.0.11', '192.0.2.1:9000'],
  ] as const) {
    it(`registers ${bindAddress} of ${address} as ${api}, once it is known who this is`, async () => {
      let asked = 0;
      let state: NodeState | undefined;
      const log = new FakeLog();
      const stop = new AbortController();
      const running = new Presence({
        localName: () => {
          asked += 1;
          if (asked === 1) return Promise.reject(new PgcmError('unavailable', 'no Pacemaker yet'));
          return Promise.resolve('pg01');
        },
        addressOf: () => Promise.resolve(parseAddress(address)),
        registration: (name) => ({
          name,
          set: (next) => (state = next),
          run: untilAborted,
        }),
        bindAddress,
        version: () => Promise.resolve('1.2.3'),
        log,
      }).run(stop.signal);
      await eventually(() => state !== undefined);
      assert.deepEqual([state?.name, state?.api, state?.version], ['pg01', api, '1.2.3']);
      assert.equal(log.of(events.pacemakerError).length, 1);
      stop.abort();
      await running;
    });
  }
});
