import assert from 'node:assert/strict';

/**
 * Waits until `check` is true, looking every few milliseconds; or as long after one look as it took, so that looks which start
 * programs do not keep the machine from what they wait for. The limit is generous: it is there to end a test that fails, and
 * says nothing of how fast the machine is.
 */
export async function eventually(
  check: () => boolean | Promise<boolean>,
  { limit = 15_000, every = 5, what = check.toString() } = {},
): Promise<void> {
  const deadline = performance.now() + limit;
  for (;;) {
    const began = performance.now();
    if (await check()) return;
    const now = performance.now();
    if (now > deadline) assert.fail(`not true within ${limit} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, Math.max(every, now - began)));
  }
}

/** Asserts that `check` is true now and stays so for `ms`. */
export async function stays(check: () => boolean | Promise<boolean>, ms: number): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    assert.ok(await check(), `no longer true: ${check.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
