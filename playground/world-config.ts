import { readFileSync, writeFileSync } from 'node:fs';
import type { AgentName, HostPlan } from './plan.js';

/** 'losing': at a power loss data directory, etcd and Pacemaker lose what was not synced; 'keeping': nothing is lost. */
export type DiskKind = 'keeping' | 'losing';
/** 'none': a cluster without fencing. */
export type FencingKind = 'playground' | 'none';

/**
 * What the world's daemon must know; written before the world starts. Also tells everybody else which
 * parts of the cache are in use.
 */
export interface WorldConfig {
  readonly name: string;
  readonly hosts: readonly HostPlan[];
  /** Mount point for the world's tmpfs. */
  readonly world: string;
  readonly logs: string;
  readonly controlSocket: string;
  readonly powerSocket: string;
  readonly repository: string;
  /** File of the checkout that makes a host what it is, and stays its PID 1. */
  readonly start: string;
  /** The Node binary that the hosts use too. */
  readonly node: string;
  readonly layer: string;
  readonly seed: string;
  readonly agent: AgentName;
  /** The layer's overlay needs a work folder beside it, one for each mount. */
  readonly layerWork: string;
  readonly disks: DiskKind;
  readonly fencing: FencingKind;
  /** ISO date of `up`. */
  readonly since: string;
}

export function writeWorldConfig(file: string, config: WorldConfig): void {
  writeFileSync(file, `${JSON.stringify(config, undefined, 2)}\n`);
}

/** The file is our own: it is written by the same code, and its folder is root's. */
export function readWorldConfig(file: string): WorldConfig {
  return JSON.parse(readFileSync(file, 'utf8')) as WorldConfig;
}
