import type { NodeApi } from '../domain/node-api.js';
import type { Milliseconds } from '../domain/time.js';
import { insist } from './asking.js';
import { mandateOf, type SwitchoverContext } from './context.js';

/** Beyond the bouncers' own time for a pause: they end the wait, and the answers say why. */
export const PAUSE_GRACE: Milliseconds = 2_000;

/** Pauses the bouncers of a node without a proxy, or makes sure that they still are: then it is done at once. */
export async function pauseNode(
  context: SwitchoverContext,
  api: NodeApi,
  expiry: Milliseconds | 'never',
  signal: AbortSignal,
): Promise<void> {
  const order = { timeout: context.options.pauseTimeout, expiry };
  await insist(signal, () => api.pause(order, mandateOf(context), signal));
}
