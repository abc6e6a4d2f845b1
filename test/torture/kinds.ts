/** What can break. Whom it strikes is decided when it strikes, by role. */

const processes = ['postgres', 'checkpointer', 'pacemakerd', 'corosync', 'etcd', 'supervise'] as const;
export type ProcessName = (typeof processes)[number];

export const faultKinds = [
  'power primary',
  'power standby',
  'power primary and standby',
  'power app',
  'cut primary',
  'cut standby',
  'cut app',
  'cut between',
  'cut one way',
  'cut off primary',
  'power at a change',
  'stale successor',
  'lost claim',
  'full disk',
  'move',
  'cold start',
  ...processes.map((name) => `kill ${name}` as const),
  ...processes.map((name) => `stop ${name}` as const),
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Those that do what they are there for only to a cluster that is whole. */
export const openers: readonly FaultKind[] = [
  'move',
  'stale successor',
  'lost claim',
  'cut off primary',
  'power at a change',
];

/** How long what it does lasts, in milliseconds; what is killed comes back by its own supervisor. */
export function spanOf(kind: FaultKind): readonly [least: number, most: number] {
  if (/^power|successor|claim/.test(kind)) return [500, 12_000];
  if (kind.startsWith('cut')) return [300, 12_000];
  if (kind.startsWith('stop')) return [300, 12_000];
  if (kind === 'full disk') return [2_000, 8_000];
  if (kind === 'cold start') return [500, 5_000];
  return [0, 0];
}
