import assert from 'node:assert/strict';
import { connect as connectSocket, type Socket } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hasCode } from '../../src/domain/errors.js';
import { eventually } from '../support/eventually.js';
import { EtcdServers } from './etcd-server.js';
import { closeClients, connect, forever } from './etcd-support.js';
import { Program } from './programs.js';

describe('a process with a closed etcd client', () => {
  let servers: EtcdServers;
  let silent: SilentHost;
  before(async () => {
    servers = await EtcdServers.start();
    silent = await SilentHost.start();
  });
  after(async () => {
    await silent.stop();
    await servers.stop();
  });
  afterEach(async () => {
    closeClients();
    await servers.startAll();
  });

  for (const [what, hurt, heal] of [
    ['lives', () => Promise.resolve(), () => undefined],
    ['is dead', () => servers.killAll(), () => undefined],
    ['is frozen', () => servers.member(0).freeze(), () => servers.member(0).thaw()],
  ] as const) {
    it(`ends by itself when etcd ${what}`, async () => {
      await hurt();
      try {
        await endsByItself([servers.member(0).url]);
      } finally {
        heal();
      }
    });
  }

  it('does without a host that says nothing after the dial timeout', async () => {
    const etcd = connect(
      { endpoints: [silent.url, servers.member(0).url] },
      { timeout: 6_000, dialTimeout: 300 },
    );
    await etcd.put('/master', '10.77.0.11', forever);
    const alone = connect({ endpoints: [silent.url] }, { timeout: 6_000, dialTimeout: 300 });
    await assert.rejects(alone.get('/master', forever), (error) => {
      assert.ok(hasCode(error, 'unavailable'));
      assert.match(error.message, /get \/master: no connection within 300ms$/);
      return true;
    });
  });
});

async function endsByItself(endpoints: readonly string[]): Promise<void> {
  const file = fileURLToPath(new URL('./etcd-client-process.js', import.meta.url));
  const program = new Program(process.execPath, ['--enable-source-maps', file, ...endpoints]);
  try {
    await program.prints(/^done$/m);
    await eventually(() => program.ended, { what: `it ended; it said: ${program.output}${program.errors}` });
    assert.equal(await program.exit(), 0, program.output);
    assert.doesNotMatch(program.output, /UNHANDLED/);
    assert.equal(program.errors, '');
  } finally {
    await program.kill();
  }
}

/**
 * A port whose connection requests get no answer, as those to a host that is off: a frozen process
 * listens there, and the queue of connections that it has not accepted is full.
 */
class SilentHost {
  readonly url: string;
  readonly #listener: Program;
  readonly #sockets: readonly Socket[];

  static async start(): Promise<SilentHost> {
    const script = `const s = require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 },
      () => console.log('port ' + s.address().port))`;
    const listener = new Program(process.execPath, ['-e', script]);
    await listener.prints(/^port \d+$/m);
    const port = Number(/\d+/.exec(listener.output)?.[0]);
    listener.signal('SIGSTOP');
    const sockets: Socket[] = [];
    let connected = 0;
    // One more at a time until one hangs.
    for (let i = 0; i < 8; i += 1) {
      const socket = connectSocket(port, '127.0.0.1', () => (connected += 1));
      socket.on('error', () => undefined);
      sockets.push(socket);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok(connected < sockets.length, 'the queue of connections is not full');
    return new SilentHost(`http://127.0.0.1:${port}`, listener, sockets);
  }

  private constructor(url: string, listener: Program, sockets: readonly Socket[]) {
    this.url = url;
    this.#listener = listener;
    this.#sockets = sockets;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.#listener.kill();
  }
}
