import { events } from '../../src/domain/events.js';
import type { NodeService } from '../../src/domain/node-api.js';
import { apiServer } from '../../src/grpc/server.js';
import type { ApiTls } from '../../src/grpc/tls.js';
import { FakeLog } from '../fakes/log.js';

export interface Served {
  readonly log: FakeLog;
  readonly port: number;
  /** For a client. */
  readonly endpoint: string;
  stop(): Promise<void>;
}

/** Serves a node; fails as the server does when it cannot listen. */
export async function serve(node: Partial<NodeService>, bindAddress: string, tls?: ApiTls): Promise<Served> {
  const log = new FakeLog();
  const stop = new AbortController();
  const server = apiServer(node, { bindAddress, tls, log });
  const running = server.run(stop.signal);
  await Promise.race([server.listening, running]);
  const port = Number(log.of(events.serverListen)[0]?.['port']);
  return {
    log,
    port,
    endpoint: bindAddress.startsWith('unix:') ? bindAddress : `127.0.0.1:${port}`,
    stop: async () => {
      stop.abort();
      await running;
    },
  };
}
