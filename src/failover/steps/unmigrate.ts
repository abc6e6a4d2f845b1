import { describeError, hasCode, PgcmError } from '../../domain/errors.js';
import { events } from '../../domain/events.js';
import type { NodeApi } from '../../domain/node-api.js';
import type { Milliseconds } from '../../domain/time.js';
import { sleep } from '../../runtime/deadline.js';
import { apiOf, mandateOf, planOf, type SwitchoverContext } from '../context.js';
import { inspectionTimeout } from '../facts.js';
import type { Undo } from '../pipeline.js';

const INTERVAL: Milliseconds = 200;

/** The preference that the move left is taken back; nothing of an operator's. */
export const unmigrate: Undo<SwitchoverContext> = {
  name: 'unmigrate',
  // Each node may take its time, as one that died in the meantime does not answer at all.
  timeout: ({ options, apis }) => options.pacemakerTimeout * apis.length,
  async run(context, signal) {
    if (context.move.kind === 'not-begun') return;
    context.log.info(events.clientsUnmigrate, {}, 'requesting pacemaker unmigrate');
    // The target first: it was alive a moment ago, and the old primary may be what failed.
    const target = apiOf(context, planOf(context).target);
    const others = context.apis.filter((api) => api !== target);
    const order = target === undefined ? others : [target, ...others];
    const { pacemakerTimeout } = context.options;
    const by = await oneOf(order, signal, (api) =>
      api.unmigrate(mandateOf(context), pacemakerTimeout, signal),
    );
    await verify(context, by, signal);
  },
};

/** One node's word is enough, so one that cannot be reached is passed over; then all are asked again. */
async function oneOf(
  apis: readonly NodeApi[],
  signal: AbortSignal,
  ask: (api: NodeApi) => Promise<void>,
): Promise<NodeApi> {
  for (;;) {
    const failures: unknown[] = [];
    for (const api of apis) {
      try {
        await ask(api);
        return api;
      } catch (error) {
        if (!hasCode(error, 'unavailable', 'timed-out')) throw error;
        failures.push(error);
      }
    }
    const error = new PgcmError('unavailable', failures.map(describeError).join('; '));
    if ((await sleep(INTERVAL, signal)) === 'aborted') throw error;
  }
}

/** The node that took it back is asked whether it is gone; where that cannot be told, its word counts. */
async function verify(
  { holder, options, log }: SwitchoverContext,
  by: NodeApi,
  signal: AbortSignal,
): Promise<void> {
  let moves: readonly string[] = [];
  try {
    moves = (await by.inspect(inspectionTimeout(options), signal)).manager?.moves ?? [];
  } catch (error) {
    log.warn(events.clientsUnmigrate, { endpoint: by.endpoint, error: describeError(error) }, 'not verified');
  }
  if (!moves.includes(holder.id)) return;
  throw new PgcmError(
    'conflict',
    `the move is still asked for, though ${by.endpoint} has taken it back; run: pgcm cleanup`,
  );
}
