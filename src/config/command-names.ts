/** The commands that have options of their own; the others (show-config) take all of them. */
export const commandNames = [
  'supervise',
  'proxy',
  'failover',
  'cleanup',
  'adopt',
  'status',
  'history',
  'show-uri',
  'cluster-config',
] as const;

export type CommandName = (typeof commandNames)[number];
