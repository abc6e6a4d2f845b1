import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP relay on a free loopback port, which can lose what a test wants to be lost. */
export class Relay {
  readonly url: string;
  readonly #server: Server;
  readonly #pairs = new Set<{ readonly client: Socket; readonly target: Socket }>();
  #onText: { readonly text: string; readonly act: (client: Socket, target: Socket) => void } | undefined;

  /** @param url `http://host:port` */
  static async to(url: string, listen = '127.0.0.1'): Promise<Relay> {
    const { hostname, port } = new URL(url);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, listen, resolve));
    return new Relay(server, hostname, Number(port));
  }

  private constructor(server: Server, host: string, port: number) {
    this.#server = server;
    const bound = server.address() as AddressInfo;
    this.url = `http://${bound.address}:${bound.port}`;
    server.on('connection', (client) => this.#relay(client, connect(port, host)));
  }

  /** From now on nothing passes on the open connections, in either direction; they stay open. */
  hold(): void {
    for (const { client, target } of this.#pairs) {
      client.pause();
      target.pause();
    }
  }

  /** Once the text was passed to the target, nothing comes back on that connection any more. */
  swallowAnswersAfter(text: string): void {
    this.#onText = { text, act: (_client, target) => target.pause() };
  }

  /** Once the text was passed to the target, that connection is broken. */
  cutAfter(text: string): void {
    this.#onText = { text, act: (client) => client.resetAndDestroy() };
  }

  async close(): Promise<void> {
    for (const { client, target } of this.#pairs) {
      client.destroy();
      target.destroy();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #relay(client: Socket, target: Socket): void {
    const pair = { client, target };
    this.#pairs.add(pair);
    client.on('data', (chunk) => {
      target.write(chunk);
      const on = this.#onText;
      if (on === undefined || !chunk.includes(on.text)) return;
      this.#onText = undefined;
      on.act(client, target);
    });
    target.on('data', (chunk) => client.write(chunk));
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => {
        other.destroy();
        this.#pairs.delete(pair);
      });
    }
  }
}
