import type { Loaded } from '../config/load.js';
import { showConfig } from '../config/show.js';
import type { Output } from './context.js';

/** Prints the whole configuration. @returns the exit status */
export function run(loaded: Loaded, stdout: Output): number {
  stdout.write(showConfig(loaded));
  return 0;
}
