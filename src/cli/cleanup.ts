import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { pid } from 'node:process';
import { runCleanup } from '../cleanup/cleanup.js';
import type { CleanupLine } from '../cleanup/context.js';
import { hasCode } from '../domain/errors.js';
import { EtcdLockView } from '../etcd/lock-view.js';
import { EtcdFailoverLock } from '../etcd/lock.js';
import { nodeApi } from '../grpc/client.js';
import type { Command, Output } from './context.js';
import { apiTls, openEtcd, pauseRequests, proxyRegistry } from './parts.js';

/** For a node's answer to a question; nobody's clients wait for it. */
const INSPECT_TIMEOUT = 5_000;

export const run: Command<'cleanup'> = async ({ config, log, signal, stdout, stderr }) => {
  const tls = await apiTls(config);
  const etcd = await openEtcd(config, log);
  const apis = config['failover-api-endpoints'].map((endpoint) => nodeApi(endpoint, tls));
  const masterKey = config['etcd-postgres-master-key'];
  try {
    const left = await runCleanup(
      {
        options: {
          lockTimeout: config['lock-timeout'],
          resumeTimeout: config['resume-timeout'],
          pacemakerTimeout: config['pacemaker-timeout'],
          inspectTimeout: INSPECT_TIMEOUT,
          forgetProxy: config['forget-proxy'],
        },
        apis,
        view: new EtcdLockView(etcd, masterKey),
        lock: new EtcdFailoverLock(etcd, masterKey, log),
        self: { id: randomUUID(), host: hostname(), pid, since: new Date().toISOString() },
        requests: pauseRequests(etcd, config, log),
        proxies: proxyRegistry(etcd, config, log),
        say: (line) => sayLine(line, stdout),
      },
      signal,
    );
    stdout.write(
      left.length === 0 ? 'Nothing is left.\n' : `Left: ${left.length}. Run it again when that is mended.\n`,
    );
    return left.length === 0 ? 0 : 6;
  } catch (error) {
    if (!hasCode(error, 'refused')) throw error;
    stderr.write(`pgcm: ${error.message}\n`);
    return 3;
  } finally {
    for (const api of apis) api.close();
    etcd.close();
  }
};

function sayLine({ kind, text }: CleanupLine, stdout: Output): void {
  stdout.write(`${kind}  ${text}\n`);
}
