import type { Address } from '../../domain/address.js';
import { describeError, PgcmError } from '../../domain/errors.js';
import { events } from '../../domain/events.js';
import type { NodeApi } from '../../domain/node-api.js';
import { monotonic } from '../../runtime/clock.js';
import { runWithDeadline } from '../../runtime/deadline.js';
import type { SwitchoverContext } from '../context.js';
import type { Step } from '../pipeline.js';
import { writableNode } from '../writable.js';

/** Clients wait: every bouncer ends its open transactions and holds new statements. */
export const pause: Step<SwitchoverContext> = {
  name: 'pause',
  async run(context, signal) {
    const { log, options } = context;
    context.from = await publishedAddress(context, signal);
    log.info(events.clientsPause, {}, 'requesting all pgbouncers pause');
    context.pauseRequested = true;
    const order = { timeout: options.pauseTimeout, expiry: options.pauseExpiry };
    // All of them are waited for, also when one fails: the release must not overtake a PAUSE under way.
    await onAll(context, (api) =>
      told(context, api, events.clientsPause, () => api.pause(order, undefined, signal)),
    );
  },
  undo: {
    name: 'release',
    clientsFirst: true,
    // The question who takes writes (1 s) and the grace of each answer (1 s) come on top.
    timeout: ({ options }) => options.resumeTimeout + 3_000,
    async run(context, signal) {
      if (!context.pauseRequested) return;
      const { log, options } = context;
      const target = await resumeTowards(context, signal);
      log.info(events.clientsResume, { target }, 'requesting all pgbouncers resume');
      await onAll(context, (api) =>
        told(context, api, events.clientsResume, () =>
          api.resume(target, options.resumeTimeout, undefined, signal),
        ),
      );
    },
  },
};

/** Where the bouncers must lead before clients go on; undefined: wherever they lead. */
async function resumeTowards(context: SwitchoverContext, signal: AbortSignal): Promise<Address | undefined> {
  const { move } = context;
  if (move.kind === 'not-begun') return undefined;
  if (move.kind === 'done') return move.target.address;
  // The move failed half-way. Clients are let go only to a host that takes writes, and the key, with it
  // the bouncers, may name the other one.
  const writable = await writableNode(context, signal);
  return move.kind === 'accepted' && writable === move.target.name ? move.target.address : context.from;
}

/** @throws PgcmError `refused` when no primary is published: it would not be known where clients are */
async function publishedAddress(
  { routes, options }: SwitchoverContext,
  signal: AbortSignal,
): Promise<Address> {
  const reading = await runWithDeadline(`reading ${routes.key}`, options.etcdTimeout, signal, (on) =>
    routes.read(on),
  );
  if (reading.kind === 'route') return reading.route.address;
  const found = reading.kind === 'bad' ? reading.why : 'it does not exist';
  throw new PgcmError(
    'refused',
    `${routes.key} in etcd names no primary (${found}): is supervise running on the primary's node? its log says what keeps it`,
  );
}

async function told(
  { log }: SwitchoverContext,
  api: NodeApi,
  event: typeof events.clientsPause | typeof events.clientsResume,
  work: () => Promise<void>,
): Promise<void> {
  const startedAt = monotonic();
  await work();
  log.info(event, { endpoint: api.endpoint, elapsed: Math.round(monotonic() - startedAt) / 1_000 });
}

async function onAll(context: SwitchoverContext, work: (api: NodeApi) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(context.apis.map(work));
  const errors = results.flatMap((r) => (r.status === 'rejected' ? [r.reason as unknown] : []));
  if (errors.length === 0) return;
  const [first] = errors;
  const code = first instanceof PgcmError ? first.code : 'internal';
  throw new PgcmError(code, errors.map(describeError).join('; '), { cause: first });
}
