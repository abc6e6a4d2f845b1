/** `bench routes`: how soon many proxies apply a new route. */
import { runInLayer } from '../playground/layer-exec.js';
import type { EtcdRole, RoutesConfig } from './records.js';

export interface RoutesOptions {
  readonly proxies: number;
  readonly puts: number;
  readonly kill: EtcdRole;
  readonly idleSeconds: number;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

/** As the checkout is seen in the layer. */
const program = '/opt/pgcm/dist/bench/inside/routes-main.js';
const smaller = [10, 100];

/** The report is the last line that it prints on standard output. @returns the exit status */
export function benchRoutes(options: RoutesOptions): Promise<number> {
  const { proxies, puts, kill, idleSeconds, print, signal } = options;
  const sizes = [...smaller.filter((size) => size < proxies), proxies];
  const config: RoutesConfig = { sizes, puts, kill, idleSeconds };
  return runInLayer(['node', program, JSON.stringify(config)], {
    environment: process.env,
    log: print,
    signal,
  });
}
