import { isIPv6 } from 'node:net';
import type { CommandName } from './command-names.js';

/** Where a daemon answers HTTP. */
export interface HttpPlace {
  /** Undefined: every address of this machine. */
  readonly host: string | undefined;
  readonly port: number;
}

/** Both run on a Postgres node, and may read the same file. */
const PORTS = { supervise: 8_632, proxy: 8_633 } as const satisfies Partial<Record<CommandName, number>>;

/** The place that a checked `http-address` means to this daemon; undefined: it answers nowhere. */
export function httpPlace(value: string, command: keyof typeof PORTS): HttpPlace | undefined {
  if (value === 'off') return undefined;
  if (isIPv6(value)) return { host: value, port: PORTS[command] };
  const [, name = '', digits] = /^(\[.*\]|[^:]*)(?::(\d+))?$/.exec(value) ?? [];
  const host = name.replace(/^\[(.*)\]$/, '$1');
  return {
    host: host === '' ? undefined : host,
    port: digits === undefined ? PORTS[command] : Number(digits),
  };
}
