import type { Config } from './options.js';

/** Where one PgBouncer's admin console is. */
export interface PgbouncerSocket {
  /** The folder of its socket. */
  readonly dir: string;
  /** Its listen_port: the socket is `dir`/.s.PGSQL.`port`. */
  readonly port: number;
}

/**
 * The PgBouncers of this machine: folders and ports in pairs, in order; one folder or one port stands for all.
 * @returns undefined when there are several of both, in different numbers; a loaded configuration never is
 */
export function pgbouncerSockets(
  config: Pick<Config, 'pgbouncer-socket-dir' | 'pgbouncer-port'>,
): readonly PgbouncerSocket[] | undefined {
  const dirs = config['pgbouncer-socket-dir'];
  const ports = config['pgbouncer-port'];
  const count = Math.max(dirs.length, ports.length);
  const stretch = <T>(values: readonly T[]): readonly T[] =>
    values.length === 1
      ? Array<T[]>(count)
          .fill([...values])
          .flat()
      : values;
  const paired = stretch(ports);
  if (stretch(dirs).length !== count || paired.length !== count) return undefined;
  return stretch(dirs).flatMap((dir, at) => {
    const port = paired[at];
    return port === undefined ? [] : [{ dir, port }];
  });
}
