import { describeError } from '../domain/errors.js';
import type { Mandate } from '../domain/mandate.js';
import type { CleanupContext } from './context.js';
import type { Traces } from './traces.js';

/** Takes back the move of the mandate's run, through whichever node answers. */
export async function takeBackMove(
  { apis, options, say }: CleanupContext,
  mandate: Mandate,
  { moves, informant }: Traces,
  signal: AbortSignal,
): Promise<void> {
  const { switchover } = mandate;
  if (!moves.includes(switchover)) return;
  const what = `the move that switchover ${switchover} asked the cluster manager for`;
  const failures: string[] = [];
  for (const api of [...apis].sort((a, b) => Number(b === informant) - Number(a === informant))) {
    try {
      await api.unmigrate(mandate, options.pacemakerTimeout, signal);
      say({ kind: 'done', text: `${what}: taken back` });
      return;
    } catch (error) {
      signal.throwIfAborted();
      failures.push(`${api.endpoint}: ${describeError(error)}`);
    }
  }
  const end = 'a supervise that is alive takes it back within a minute, else it ends after 10 min';
  say({ kind: 'left', text: `${what} could not be taken back; ${end}: ${failures.join('; ')}` });
}
