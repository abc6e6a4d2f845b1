import type { SwitchoverContext } from '../context.js';
import type { Step } from '../pipeline.js';

/** Dirty pages are written before clients wait for it: the shutdown of the old primary writes what is left. */
export const checkpoint: Step<SwitchoverContext> = {
  name: 'checkpoint',
  run: () => Promise.resolve(),
};
