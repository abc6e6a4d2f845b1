import { events } from '../../domain/events.js';
import { describeError, hasCode, PgcmError } from '../../domain/errors.js';
import { monotonic } from '../../runtime/clock.js';
import { runWithDeadline } from '../../runtime/deadline.js';
import { insist } from '../asking.js';
import { apiOf, mandateOf, planOf, type SwitchoverContext } from '../context.js';
import type { Step } from '../pipeline.js';

/**
 * Dirty pages are written before clients wait for it: the shutdown of the old primary writes what is
 * left. Twice, as the first one may take long, and the second one then has little to do. Without it the
 * clients only wait longer, so a failure is told and passed over.
 */
export const checkpoint: Step<SwitchoverContext> = {
  name: 'checkpoint',
  async run(context, signal) {
    const { log, options } = context;
    if (options.checkpointTimeout === 'skip') return;
    const { primary } = planOf(context);
    const timeout = options.checkpointTimeout;
    try {
      await runWithDeadline('checkpoint', timeout, signal, (on) => twice(context, timeout, on));
    } catch (error) {
      if (signal.aborted || hasCode(error, 'lock-lost')) throw error;
      log.warn(
        events.checkpointError,
        { node: primary, error: describeError(error) },
        'going on without a checkpoint: clients may wait longer for the old primary to stop',
      );
    }
  },
};

async function twice(context: SwitchoverContext, timeout: number, signal: AbortSignal): Promise<void> {
  const { primary } = planOf(context);
  const api = apiOf(context, primary);
  if (api === undefined) throw new PgcmError('unavailable', `no endpoint is of ${primary}`);
  const deadline = monotonic() + timeout;
  for (let round = 0; round < 2; round += 1) {
    await insist(signal, () => api.checkpoint(mandateOf(context), deadline - monotonic(), signal));
  }
}
