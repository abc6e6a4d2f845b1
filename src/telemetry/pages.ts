import type { HealthAnswer } from '../domain/health.js';
import { quote } from '../domain/address.js';
import { parseSize } from '../runtime/sizes.js';
import type { Vitals } from '../runtime/vitals.js';
import { plain, type Page, type Reply } from './http-server.js';

/** A health check: 200 or 503, and a line that says what is true or why not. */
export function healthPage(check: () => HealthAnswer): Page {
  return () => reply(check());
}

/** The same with `?lag=`, the most bytes of WAL that a standby may be behind: `1048576` or `16MB`. */
export function lagPage(usual: number, check: (mostLag: number) => HealthAnswer): Page {
  return (query) => {
    const text = query.get('lag');
    const lag = text === null ? usual : bytes(text);
    if (lag === undefined) return plain(400, `lag=${quote(text ?? '')} is no size: write bytes, or 16MB`);
    return reply(check(lag));
  };
}

/** Says no when a loop is stuck; the same stops the messages to the service manager's watchdog. */
export function alivePage(vitals: Vitals): Page {
  return () => {
    const { stuck } = vitals;
    return stuck === undefined ? plain(200, 'alive') : plain(503, stuck);
  };
}

function reply({ ok, text }: HealthAnswer): Reply {
  return plain(ok ? 200 : 503, text);
}

function bytes(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : parseSize(text);
}
