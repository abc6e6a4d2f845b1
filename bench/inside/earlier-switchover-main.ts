/** Runs in the client host: see ../earlier-switchover.ts. Usage: earlier-switchover-main.js CONFIG (EarlierSwitchover as JSON) */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { pid } from 'node:process';
import type { SwitchoverReport } from '../../src/domain/switchover.js';
import { createEtcd } from '../../src/etcd/client.js';
import { EtcdHistoryStore } from '../../src/etcd/history-store.js';
import { expectedPause } from '../../src/failover/expected-pause.js';
import { switchoverSteps } from '../../src/failover/switchover.js';
import { createLog } from '../../src/telemetry/log.js';
import type { EarlierSwitchover } from '../records.js';

const log = createLog({ format: 'json', write: (line) => process.stderr.write(line) });
const { endpoints, ...moved } = JSON.parse(process.argv[2] ?? '') as EarlierSwitchover;
const times = { timeout: 3_000, dialTimeout: 3_000, keepAliveTime: 30_000, keepAliveTimeout: 5_000 };
const etcd = createEtcd({ endpoints, namespace: '', ...times }, log);
try {
  const signal = AbortSignal.timeout(10_000);
  const history = new EtcdHistoryStore(etcd);
  const { reports } = await history.list(signal);
  if (expectedPause(reports) === undefined) await history.add(earlier(), signal);
} finally {
  etcd.close();
}

/** What a switchover of this cluster leaves on such a machine. */
function earlier(): SwitchoverReport {
  const pause = 2_700;
  return {
    ...{ id: randomUUID(), host: hostname(), pid, startedAt: new Date().toISOString() },
    ...{ outcome: 'done', status: 0, elapsed: 3 * pause, pause, longestWait: pause },
    ...moved,
    message: `the primary is ${moved.to.name} (put here by a test or a benchmark, which is not about the first switchover)`,
    steps: switchoverSteps.map(({ name }) => ({ name, ms: name === 'migrate' ? pause : 50, error: '' })),
    findings: [],
    forced: false,
  };
}
