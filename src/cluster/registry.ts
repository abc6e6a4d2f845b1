import type { ClusterManager } from '../domain/cluster.js';
import { Pacemaker, type PacemakerOptions } from './pacemaker/pacemaker.js';

/** The cluster managers that pgcm knows, each with what it needs to be made. One line each. */
const managers = {
  pacemaker: (options: PacemakerOptions): ClusterManager => new Pacemaker(options),
};

export type ManagerName = keyof typeof managers;

export function createManager<N extends ManagerName>(
  name: N,
  options: Parameters<(typeof managers)[N]>[0],
): ClusterManager {
  return managers[name](options);
}
