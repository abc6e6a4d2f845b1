import { quote } from '../../domain/address.js';
import { PgcmError } from '../../domain/errors.js';
import type { Milliseconds } from '../../domain/time.js';
import { sleep } from '../../runtime/deadline.js';
import { IDLE } from './obstacles.js';
import type { PacemakerTools } from './tools.js';

const LOOK_AGAIN: Milliseconds = 100;

/**
 * What the designated controller does: `S_IDLE`, `S_TRANSITION_ENGINE`, ...
 * @param name of the node it runs on; crmadmin waits for an answer of a node that is not there
 */
export async function controllerState(
  tools: Pick<PacemakerTools, 'get'>,
  name: string,
  signal: AbortSignal,
): Promise<string> {
  return parseControllerState(await tools.get('crmadmin', ['--output-as=xml', '--status', name], signal));
}

/**
 * The same, once it is idle or `within` has passed: an attribute that an agent sets, or a periodic look
 * of Pacemaker's, keeps it busy for some milliseconds.
 */
export async function settledState(
  tools: Pick<PacemakerTools, 'get'>,
  name: string,
  within: Milliseconds,
  signal: AbortSignal,
): Promise<string> {
  for (let waited = 0; ; waited += LOOK_AGAIN) {
    const state = await controllerState(tools, name, signal);
    if (state === IDLE || waited >= within) return state;
    // An abort ends the next look.
    await sleep(LOOK_AGAIN, signal);
  }
}

/** What `crmadmin --output-as=xml --status NODE` printed. @throws PgcmError `invalid-answer` */
export function parseControllerState(xml: string): string {
  const state = /<crmd\s[^>]*\bstate="([A-Z_]+)"/.exec(xml)?.[1];
  if (state !== undefined) return state;
  throw new PgcmError('invalid-answer', `crmadmin told no state of the controller: ${quote(xml, 120)}`);
}
