import { withEither } from './deadline.js';

/**
 * Does `work` for each item, so many at a time. The first failure ends the others through their signal;
 * all have ended when this returns.
 * @throws the first failure
 */
export async function inLanes<T>(
  items: readonly T[],
  atOnce: number,
  signal: AbortSignal,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const queue = [...items];
  const failures: unknown[] = [];
  const lane = async (on: AbortSignal): Promise<void> => {
    try {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item, on);
    } catch (error) {
      failures.push(error);
      queue.length = 0;
      failed.abort(error);
    }
  };
  const lanes = Math.min(atOnce, items.length);
  await withEither(signal, failed.signal, (on) => Promise.all(Array.from({ length: lanes }, () => lane(on))));
  if (failures.length > 0) throw failures[0];
}
