import { connect, type Socket } from 'node:net';
import type { Address } from '../domain/address.js';
import { PgcmError } from '../domain/errors.js';
import type { LifeProbe, ProbeFinding } from '../domain/route-probe.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { findingOf, findingOfError } from './finding.js';

export interface HandshakeProbeOptions {
  readonly port: number;
  /** Neither has to exist, but PostgreSQL writes a line to its log each time when one does not. */
  readonly user: string;
  readonly database: string;
  readonly timeout: Milliseconds;
}

/** An answer that is longer is none of PostgreSQL's. */
const LONGEST_ANSWER = 10_000;

const PROTOCOL_3 = 3 << 16;

/**
 * Begins a login, as pg_isready does, and leaves with the first answer: a request to authenticate says that the server
 * takes clients, an error may say that it does not. See "Message Flow" and "Message Formats" in PostgreSQL's manual.
 */
export class HandshakeProbe implements LifeProbe {
  readonly #options: HandshakeProbeOptions;

  constructor(options: HandshakeProbeOptions) {
    this.#options = options;
  }

  async find(address: Address, signal: AbortSignal): Promise<ProbeFinding> {
    const { port, timeout } = this.#options;
    const what = `beginning a login at ${address}, port ${port}`;
    const socket = connect({ host: address, port });
    try {
      return await runWithDeadline(what, timeout, signal, async () => {
        socket.write(startupMessage(this.#options));
        return findingIn(await firstMessage(socket), what);
      });
    } catch (error) {
      return findingOf(error);
    } finally {
      socket.destroy();
    }
  }
}

function startupMessage({ user, database }: HandshakeProbeOptions): Buffer {
  const parameters = ['user', user, 'database', database, 'application_name', 'pgcm'];
  const body = Buffer.from(`${parameters.join('\0')}\0\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(head.length + body.length, 0);
  head.writeInt32BE(PROTOCOL_3, 4);
  return Buffer.concat([head, body]);
}

interface Message {
  readonly type: string;
  readonly body: Buffer;
}

function firstMessage(socket: Socket): Promise<Message> {
  return new Promise((resolve, reject) => {
    let got = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      got = Buffer.concat([got, chunk]);
      if (got.length < 5) return;
      const length = got.readInt32BE(1);
      if (length < 4 || length > LONGEST_ANSWER) {
        reject(new PgcmError('invalid-answer', 'what answers there is not PostgreSQL'));
      } else if (got.length > length) {
        resolve({ type: String.fromCharCode(got[0] ?? 0), body: got.subarray(5, length + 1) });
      }
    });
    socket.on('error', reject);
    socket.on('close', () =>
      reject(new PgcmError('unavailable', 'the connection was closed before an answer')),
    );
  });
}

function findingIn({ type, body }: Message, what: string): ProbeFinding {
  if (type === 'R') return { kind: 'accepts' };
  if (type !== 'E') return { kind: 'gone', why: `${what}: what answers there is not PostgreSQL` };
  const fields = new Map(
    body
      .toString('utf8')
      .split('\0')
      .map((field) => [field.charAt(0), field.slice(1)] as const),
  );
  return findingOfError(fields.get('C') ?? '', `${what}: ${fields.get('M') ?? 'an error without a message'}`);
}
