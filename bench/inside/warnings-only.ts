import type { Log } from '../../src/domain/log.js';

/** What a thousand of them say at a switchover would be load of its own. */
export function warningsOnly(log: Log): Log {
  return {
    info: () => undefined,
    warn: (...what) => log.warn(...what),
    error: (...what) => log.error(...what),
    with: (fields) => warningsOnly(log.with(fields)),
  };
}
