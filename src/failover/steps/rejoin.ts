import type { SwitchoverContext } from '../context.js';
import type { Step } from '../pipeline.js';

/** The old primary comes back as a standby. */
export const rejoin: Step<SwitchoverContext> = {
  name: 'rejoin',
  cleanup: true,
  run: () => Promise.resolve(),
};
