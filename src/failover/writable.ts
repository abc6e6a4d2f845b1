import { PgcmError, describeError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import type { SwitchoverContext } from './context.js';
import { labelOf } from './facts.js';

const PROBE_TIMEOUT: Milliseconds = 1_000;

/**
 * Asks every node's own PostgreSQL, and names the one that takes writes.
 * @throws PgcmError `no-primary` or `two-primaries`, with what each node said
 */
export async function writableNode({ facts }: SwitchoverContext, signal: AbortSignal): Promise<string> {
  const answers = await Promise.all(
    (facts?.nodes ?? []).map(async (node) => {
      const label = labelOf(node);
      try {
        const probe = await node.api.probe(0, PROBE_TIMEOUT, signal);
        const said = probe.takesWrites
          ? 'takes writes'
          : probe.inRecovery
            ? 'is a standby'
            : 'takes no writes';
        return { label, writable: probe.takesWrites, said };
      } catch (error) {
        return { label, writable: false, said: describeError(error) };
      }
    }),
  );
  const writable = answers.filter((a) => a.writable);
  const [one, another] = writable;
  if (one !== undefined && another === undefined) return one.label;
  const said = answers.map((a) => `${a.label}: ${a.said}`).join('; ');
  throw another === undefined
    ? new PgcmError('no-primary', `no node takes writes, so clients wait until the pause's expiry: ${said}`)
    : new PgcmError(
        'two-primaries',
        `more than one node takes writes, so clients are not let go to any: ${said}`,
      );
}
