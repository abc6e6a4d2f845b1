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
  const on = AbortSignal.any([signal, failed.signal]);
  const queue = [...items];
  const failures: unknown[] = [];
  const lane = async (): Promise<void> => {
    try {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item, on);
    } catch (error) {
      failures.push(error);
      queue.length = 0;
      failed.abort(error);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  if (failures.length > 0) throw failures[0];
}
