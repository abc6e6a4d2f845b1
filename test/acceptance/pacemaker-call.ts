import { createManager } from '../../src/cluster/registry.js';
import { describeError, PgcmError } from '../../src/domain/errors.js';

/**
 * Asks this host's Pacemaker through the adapter, for tests: METHOD [ARGUMENT...], where `-` is undefined.
 * Prints `{value, ms}` or `{code, error, ms}`.
 */
const [method = '', ...given] = process.argv.slice(2);
const manager = createManager('pacemaker', {
  resource: 'msPostgresql',
  getTimeout: 5_000,
  changeTimeout: 20_000,
});
const args = given.map((one) => (one === '-' ? undefined : one));
const signal = AbortSignal.timeout(60_000);
const start = performance.now();
const call = Reflect.get(manager, method) as (...args: readonly unknown[]) => Promise<unknown>;
try {
  const value = await call.call(manager, ...args, signal);
  print({ value });
} catch (error) {
  print({ code: error instanceof PgcmError ? error.code : 'unknown', error: describeError(error) });
}

function print(answer: object): void {
  process.stdout.write(`${JSON.stringify({ ...answer, ms: Math.round(performance.now() - start) })}\n`);
}
