import { PgcmError } from '../../domain/errors.js';
import { events } from '../../domain/events.js';
import { abortError, runWithDeadline } from '../../runtime/deadline.js';
import type { SwitchoverContext } from '../context.js';
import { requireStillPaused } from '../still-paused.js';
import { MOVE_TIMEOUTS, requestMove } from '../move.js';
import type { Step } from '../pipeline.js';
import { untilPrimary } from '../promotion.js';
import { unmigrate } from './unmigrate.js';

/**
 * The primary moves to the target. From the request on nothing abandons it: half a move is worse for
 * clients than a whole one, so an interrupt is only taken note of. Its deadlines are those of its two
 * parts: until the move is accepted, and until the target is primary.
 */
export const migrate: Step<SwitchoverContext> = {
  name: 'migrate',
  timeout: ({ options }) => MOVE_TIMEOUTS * options.pacemakerTimeout + options.promoteTimeout,
  async run(context, signal) {
    await requireStillPaused(context, signal);
    // Looked at anew: a process that was frozen runs on before the timer that would tell it.
    const lost = context.held?.lost;
    if (lost?.aborted === true) throw abortError(lost, 'migrate');
    await move(context);
  },
  undo: unmigrate,
};

async function move(context: SwitchoverContext): Promise<void> {
  const { log, options } = context;
  const target = await requestMove(context);
  context.move = { kind: 'accepted', target };
  const route = await runWithDeadline(
    `waiting for ${target.name} (${target.address}) to take writes and to be published`,
    options.promoteTimeout,
    new AbortController().signal,
    (on) => untilPrimary(context, target, on),
  );
  if (route.address !== target.address) throw new PgcmError('internal', 'the route is not the target');
  context.move = { kind: 'done', target, route };
  log.info(
    events.clientsMigrate,
    { target: target.name, address: target.address },
    'observed successful migration',
  );
}
