import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { monotonic } from '../../src/runtime/clock.js';
import { patientTimer } from '../../src/runtime/patience.js';

/** As a process that was frozen, or got no processor. */
function holdUp(ms: number): void {
  const end = monotonic() + ms;
  while (monotonic() < end);
}

describe('a patient timer', () => {
  it('comes when its time is over, and not before', async () => {
    const start = monotonic();
    await new Promise<void>((resolve) => patientTimer(40, resolve));
    const took = monotonic() - start;
    assert.ok(took >= 38 && took < 2_000, `${took} ms`);
  });

  it('does not come when it was taken back, also in its last moment', async () => {
    let came = 0;
    const takeBack = patientTimer(20, () => came++);
    await delay(18);
    takeBack();
    await delay(40);
    assert.equal(came, 0);
  });

  it('lets a process that was held up read first what came meanwhile', async () => {
    const server = createServer((socket) => socket.write('here'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const socket: Socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      const order: string[] = [];
      socket.on('data', () => order.push('answer'));
      const end = new Promise<void>((resolve) =>
        patientTimer(30, () => {
          order.push('blame');
          resolve();
        }),
      );
      holdUp(150);
      await end;
      assert.deepEqual(order, ['answer', 'blame']);
    } finally {
      socket.destroy();
      server.close();
    }
  });
});
