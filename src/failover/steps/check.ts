import { describeError, PgcmError } from '../../domain/errors.js';
import { events } from '../../domain/events.js';
import type { NodeApi } from '../../domain/node-api.js';
import type { Node, SwitchoverContext } from '../context.js';
import type { Step } from '../pipeline.js';

/** Every Postgres node answers and has what a switchover needs. Touches nothing. */
export const check: Step<SwitchoverContext> = {
  name: 'check',
  async run(context, signal) {
    const { apis, log, options } = context;
    log.info(
      events.clientsHealthCheck,
      { endpoints: apis.map((a) => a.endpoint) },
      'health checking all clients',
    );
    const answers = await Promise.all(apis.map((api) => ask(api, options.healthCheckTimeout, signal)));
    const problems = answers.flatMap((answer) => answer.problems);
    if (problems.length > 0) {
      throw new PgcmError(
        'refused',
        `not every node is healthy, nothing was touched: ${problems.join('; ')}`,
      );
    }
    context.nodes = answers.map(({ node }) => node);
  },
};

/** What is most often behind it, for somebody who reads this at night. */
const hints: Readonly<Record<string, string>> = {
  postgres:
    ' (after a move ocf:heartbeat:pgsql keeps the old primary down until its PGSQL.lock is removed and' +
    ' crm_resource --cleanup is run for it)',
};

async function ask(
  api: NodeApi,
  timeout: number,
  signal: AbortSignal,
): Promise<{ readonly node: Node; readonly problems: readonly string[] }> {
  try {
    const health = await api.healthCheck(timeout, signal);
    const ill = health.parts.filter((part) => !part.healthy);
    const problems = ill.map(
      ({ part, message }) => `${api.endpoint}: ${part}: ${message}${hints[part] ?? ''}`,
    );
    if (!health.healthy && problems.length === 0) problems.push(`${api.endpoint}: it says UNHEALTHY`);
    return { node: { api, name: health.node }, problems };
  } catch (error) {
    if (signal.aborted) throw error;
    return { node: { api, name: '' }, problems: [`${api.endpoint}: ${describeError(error)}`] };
  }
}
