import { readFileSync, writeFileSync } from 'node:fs';
import type { HostPlan } from './plan.js';

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
  /** The Node binary that the hosts use too. */
  readonly node: string;
  readonly layer: string;
  readonly seed: string;
  /** The layer's overlay needs a work folder beside it, one for each mount. */
  readonly layerWork: string;
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
