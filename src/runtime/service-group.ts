import { setMaxListeners } from 'node:events';
import { hasCode } from '../domain/errors.js';

/** A long-running part of a daemon: runs until the signal is aborted, or fails. */
export interface Service {
  readonly name: string;
  run(signal: AbortSignal): Promise<void>;
}

export interface ServiceFailure {
  readonly service: string;
  readonly error: unknown;
}

/**
 * Runs all services until the signal is aborted or one of them ends. The first one to end, well or
 * not, stops its siblings; all are awaited, so nothing is left running when this returns.
 *
 * @returns every failure, the first one first; empty after an orderly stop. A service that throws `aborted`
 *   because it was stopped has not failed.
 */
export async function runServices(
  services: readonly Service[],
  signal: AbortSignal,
): Promise<readonly ServiceFailure[]> {
  const failures: ServiceFailure[] = [];
  const siblings = new AbortController();
  // Each service waits for it in a few places; Node takes more than ten for a leak.
  setMaxListeners(0, siblings.signal);
  const onAbort = (): void => siblings.abort(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  await Promise.all(
    services.map(async (service) => {
      try {
        await service.run(siblings.signal);
        if (!siblings.signal.aborted) throw new Error(`${service.name} ended without being asked to`);
      } catch (error) {
        const stopped = siblings.signal.aborted && hasCode(error, 'aborted');
        if (!stopped) failures.push({ service: service.name, error });
      } finally {
        siblings.abort();
      }
    }),
  );
  signal.removeEventListener('abort', onAbort);
  return failures;
}
