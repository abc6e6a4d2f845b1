import type { Address } from '../domain/address.js';
import { describeError, hasCode } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { Milliseconds } from '../domain/time.js';
import { exec } from './exec.js';

const TIMEOUT: Milliseconds = 2_000;

/**
 * Destroys this host's connections to a port of a host that will never answer on them: whoever waits there hears of
 * it at once, and not when TCP gives up. `ss --kill` says nothing of connections that it has no right to destroy
 * (CAP_NET_ADMIN), see ss(8): then it has no effect.
 */
export class SocketCutter {
  readonly #port: number;
  readonly #log: Log;
  #troubled = false;

  constructor(port: number, log: Log) {
    this.#port = port;
    this.#log = log;
  }

  /** Never rejects. */
  async cut(address: Address, signal: AbortSignal): Promise<void> {
    const host = address.includes(':') ? `[${address}]` : address;
    const argv = ['--no-header', '--tcp', '--numeric', '--kill', 'dst', `${host}:${this.#port}`];
    try {
      const { stdout, stderr, status } = await exec('ss', argv, { signal, timeout: TIMEOUT });
      if (status !== 0) {
        this.#complain(stderr.trim() || `ss ended with status ${status}`);
        return;
      }
      const destroyed = stdout.split('\n').filter((line) => line.trim() !== '').length;
      if (destroyed > 0) this.#log.warn(events.socketsDestroyed, { address, connections: destroyed });
    } catch (error) {
      if (!signal.aborted || !hasCode(error, 'aborted')) this.#complain(describeError(error));
    }
  }

  #complain(error: string): void {
    if (this.#troubled) return;
    this.#troubled = true;
    this.#log.warn(
      events.socketsDestroyed,
      { error },
      'statements that hang on a lost primary end when TCP gives up; see destroy-sockets',
    );
  }
}
