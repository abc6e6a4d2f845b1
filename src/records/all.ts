import type { z } from 'zod';
import { entitlement } from './entitlement.js';
import { history } from './history.js';
import { lockHolder } from './lock-holder.js';
import { nodeState } from './node-state.js';
import { pauseRequest } from './pause-request.js';
import { proxyState } from './proxy-state.js';
import { seenProxy } from './seen-proxy.js';
import { clusterStatus } from './status.js';
import { switchoverPlan } from './switchover-plan.js';
import { switchoverReport } from './switchover-report.js';
import { topology } from './topology.js';

/** A record as its documentation introduces it. */
export interface RecordEntry {
  readonly title: string;
  /** Its key in etcd, or the command that prints it. */
  readonly where: string;
  readonly about: string;
  readonly record: { readonly schema: z.ZodType };
}

/** Every record, in the order of the documentation. */
export const allRecords: readonly RecordEntry[] = [
  {
    title: 'The holder of the failover lock',
    where: '/master/LEASE',
    about:
      "Written by `pgcm failover` and `pgcm cleanup` under their lease: etcd's mutex recipe below the master key, " +
      'so that pgsql-cluster-manager, whose value is empty, takes part in it. The lock is held by the key with the ' +
      'smallest create revision; that revision is the lock revision of the requests made under it.',
    record: lockHolder,
  },
  {
    title: 'The pause request',
    where: '/pgcm/failover/request',
    about:
      "Written by the holder of the lock, under the lock's lease and comparing the lock's key: it ends with the run.",
    record: pauseRequest,
  },
  {
    title: 'A proxy',
    where: '/pgcm/proxies/ID',
    about: 'Written by each `pgcm proxy` under a lease of 10 s of its own, whenever something changes.',
    record: proxyState,
  },
  {
    title: 'A proxy that was seen',
    where: '/pgcm/proxies-seen/ID',
    about:
      'Written with each registration and kept, so that a proxy that has vanished can be named. ' +
      '`pgcm cleanup --forget-proxy ID` removes it.',
    record: seenProxy,
  },
  {
    title: 'The topology',
    where: '/pgcm/topology',
    about:
      'Written by `pgcm supervise` on a change, together with the route where that changes, too. Kept. Never replaced ' +
      'by an older one: a smaller system identifier, a smaller timeline, or another primary of the same timeline while ' +
      'the published one is up. Delete the key to have an older cluster published again, for instance after a restore.',
    record: topology,
  },
  {
    title: 'A Postgres node',
    where: '/pgcm/nodes/NAME',
    about: 'Written by each `pgcm supervise` under a lease of 10 s of its own.',
    record: nodeState,
  },
  {
    title: 'Who may be promoted',
    where: '/pgcm/entitlement',
    about:
      "Only with pgcm's own resource agent: written by it and by the supervise of the primary, always over the revision " +
      'that was read, on one line without blanks and in this order of the fields. Kept, and never edited or deleted by ' +
      'hand: without it nobody is promoted, and `pgcm adopt` makes a new one.',
    record: entitlement,
  },
  {
    title: 'The report of a switchover',
    where: '/pgcm/history/STARTED-ID',
    about:
      'Written by `pgcm failover` at its end, also when it failed; the newest 100 are kept. `pgcm history --json` ' +
      'prints them, and `pgcm failover --json` its own.',
    record: switchoverReport,
  },
  {
    title: 'The plan of a switchover',
    where: 'pgcm failover --dry-run --json',
    about:
      'What a failover would do now, and what speaks against it. Nothing is touched, and it is not kept.',
    record: switchoverPlan,
  },
  {
    title: 'The status',
    where: 'pgcm status --json',
    about:
      'Printed by `pgcm status --json`. Its exit status is 0 when `well` is true, else 1. The proxies, the lock, the ' +
      'request and the reports are as above.',
    record: clusterStatus,
  },
  {
    title: 'The history',
    where: 'pgcm history --json',
    about: 'Printed by `pgcm history --json`. The reports are as above.',
    record: history,
  },
];
