/** Where pgcm's own facts are, below the namespace. The route and the lock are below the master key. */
export const keys = {
  topology: '/pgcm/topology',
  nodes: '/pgcm/nodes/',
  proxies: '/pgcm/proxies/',
  proxiesSeen: '/pgcm/proxies-seen/',
  request: '/pgcm/failover/request',
  history: '/pgcm/history/',
  entitlement: '/pgcm/entitlement',
} as const;
