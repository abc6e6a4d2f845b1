import type { Contender } from './contender.js';
import { patroni } from './patroni.js';
import { pgAutoFailover } from './pg-auto-failover.js';
import { pgcm } from './pgcm.js';

/** In the order of the table. */
export const contenders: readonly Contender[] = [
  pgcm({
    name: 'pgcm-stock',
    key: 'pgcm_stock_agent',
    title: 'pgcm, stock agent',
    up: { agent: 'stock' },
    packages: ['resource-agents'],
  }),
  pgcm({
    name: 'pgcm',
    key: 'pgcm',
    title: 'pgcm, its own agent',
    up: { agent: 'pgcm' },
    packages: [],
  }),
  patroni,
  pgAutoFailover,
];
