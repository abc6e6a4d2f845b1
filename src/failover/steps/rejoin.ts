import { events } from '../../domain/events.js';
import { PgcmError } from '../../domain/errors.js';
import { insist } from '../asking.js';
import { apiOf, mandateOf, planOf, type SwitchoverContext } from '../context.js';
import { bounded, type Step } from '../pipeline.js';

/** Beyond the node's own time, for its answer and for a supervise that starts again. */
const GRACE = 3_000;

/** The old primary comes back as a standby, where its control file proves that it did not diverge. */
export const rejoin: Step<SwitchoverContext> = bounded({
  name: 'rejoin',
  cleanup: true,
  timeout: ({ options }) => (options.rejoinTimeout === 'skip' ? 0 : options.rejoinTimeout) + GRACE,
  async run(context, signal) {
    const { log, options, move } = context;
    if (options.rejoinTimeout === 'skip' || move.kind !== 'done') return;
    const { primary: old } = planOf(context);
    const api = apiOf(context, old);
    if (api === undefined) throw new PgcmError('unavailable', `no endpoint is of ${old}`);
    const order = { primary: move.target, timeout: options.rejoinTimeout };
    const outcome = await insist(signal, () => api.rejoin(order, mandateOf(context), signal));
    if (outcome.kind === 'streaming') {
      log.info(
        events.clientsRejoin,
        { node: old, already: outcome.already },
        'the old primary is a streaming standby',
      );
      return;
    }
    const run = outcome.commands.length === 0 ? '' : `; run: ${outcome.commands.join(' && ')}`;
    throw new PgcmError('refused', `${old} is not brought back as a standby: ${outcome.why}${run}`);
  },
});
