import type { ClusterManager, Located } from '../domain/cluster.js';
import { describeError, PgcmError } from '../domain/errors.js';
import { events } from '../domain/events.js';
import type { Log } from '../domain/log.js';
import type { RejoinOrder, RejoinOutcome } from '../domain/node-api.js';
import type { Postgres } from '../domain/postgres.js';
import type { Milliseconds } from '../domain/time.js';
import { monotonic } from '../runtime/clock.js';
import { abortError, sleep } from '../runtime/deadline.js';
import { formatDuration } from '../runtime/durations.js';
import { doubt, type Doubt, type Evidence } from './divergence.js';

export interface RejoinParts {
  readonly postgres: Pick<Postgres, 'inspect'>;
  readonly manager: Pick<ClusterManager, 'readmit' | 'readmitCommands'>;
  readonly localName: (signal: AbortSignal) => Promise<string>;
  /** @throws PgcmError when it is not known now */
  readonly dataDirectory: (signal: AbortSignal) => Promise<string>;
  /** Reads the local control file and the primary's history. @throws PgcmError when one of them cannot be read now */
  readonly evidence: (dataDirectory: string, primary: Located, signal: AbortSignal) => Promise<Evidence>;
  readonly log: Log;
  /** Between two looks; by default 250 ms. */
  readonly interval?: Milliseconds;
}

const INTERVAL: Milliseconds = 250;

/** How long a PostgreSQL that seems to be stopping may take until it is taken for one that crashed. */
const STOPPING: Milliseconds = 10_000;

/** What PostgreSQL here is. */
type State =
  | { readonly kind: 'streaming' }
  /** A standby that does not receive WAL (yet). */
  | { readonly kind: 'standby' }
  | { readonly kind: 'primary' }
  | { readonly kind: 'down'; readonly error: string };

/** Brings an old primary back as a standby, once it is proven that its data did not diverge. */
export class Rejoin {
  readonly #parts: RejoinParts;

  constructor(parts: RejoinParts) {
    this.#parts = parts;
  }

  /**
   * @param pass returns while the failover lock is held by who asks; called at once, so that a run without
   * the lock hears nothing else, and right before the act
   * @throws PgcmError `timed-out` when it does not stream within the order's timeout; `lock-lost`
   */
  async run(order: RejoinOrder, pass: () => Promise<void>, signal: AbortSignal): Promise<RejoinOutcome> {
    const { log, interval = INTERVAL } = this.#parts;
    const began = monotonic();
    await pass();
    let admitted = false;
    let lately = 'it was not asked yet';
    for (;;) {
      const state = await this.#state(signal);
      if (state.kind === 'streaming') {
        log.info(events.rejoinEnd, { primary: order.primary.name, already: !admitted });
        return { kind: 'streaming', already: !admitted };
      }
      if (state.kind === 'primary') {
        return await this.#refused(order, 'its PostgreSQL runs as a primary', 'copy', signal);
      }
      lately = state.kind === 'down' ? state.error : 'it is a standby that does not receive WAL';
      if (state.kind === 'down' && !admitted) {
        const found = await this.#examine(order, signal);
        if (typeof found === 'string') lately = found;
        else if (found === undefined) {
          await pass();
          const trouble = await this.#readmit(order, signal);
          if (trouble === undefined) admitted = true;
          else lately = trouble;
        } else if (!found.passing || monotonic() - began > STOPPING) {
          return await this.#refused(order, found.why, found.remedy, signal);
        } else lately = found.why;
      }
      if (monotonic() - began >= order.timeout) throw this.#late(order, admitted, lately);
      if ((await sleep(interval, signal)) === 'aborted') throw abortError(signal, 'rejoin');
    }
  }

  async #state(signal: AbortSignal): Promise<State> {
    try {
      const { inRecovery, receiving } = await this.#parts.postgres.inspect(signal);
      if (!inRecovery) return { kind: 'primary' };
      return receiving ? { kind: 'streaming' } : { kind: 'standby' };
    } catch (error) {
      return { kind: 'down', error: describeError(error) };
    }
  }

  /** @returns a text when it cannot be found out now, but perhaps in a moment */
  async #examine(order: RejoinOrder, signal: AbortSignal): Promise<Doubt | undefined | string> {
    const { dataDirectory, evidence } = this.#parts;
    try {
      return doubt(await evidence(await dataDirectory(signal), order.primary, signal));
    } catch (error) {
      const why = describeError(error);
      if (!(error instanceof PgcmError) || error.retryable || signal.aborted) return why;
      return { why: `it could not be proven that it did not: ${why}`, remedy: 'rewind', passing: false };
    }
  }

  /** @returns why it could not be asked for now; asking again is safe, whatever of it was done */
  async #readmit({ primary }: RejoinOrder, signal: AbortSignal): Promise<string | undefined> {
    const { manager, log } = this.#parts;
    log.info(
      events.rejoinStart,
      { primary: primary.name },
      'its data did not diverge: asking the cluster manager to start PostgreSQL as a standby',
    );
    try {
      await manager.readmit(signal);
      return undefined;
    } catch (error) {
      if (signal.aborted || !(error instanceof PgcmError) || !error.retryable) throw error;
      return describeError(error);
    }
  }

  async #refused(
    { primary }: RejoinOrder,
    why: string,
    remedy: Doubt['remedy'],
    signal: AbortSignal,
  ): Promise<RejoinOutcome> {
    const { manager, localName, dataDirectory, log } = this.#parts;
    const directory = await dataDirectory(signal).catch(() => 'DATA_DIRECTORY');
    const readmit = await localName(signal)
      .then((name) => manager.readmitCommands(name, signal))
      .catch((error: unknown) => [`# how to let the cluster manager start it: ${describeError(error)}`]);
    const commands = [...restore(remedy, directory, primary), ...readmit];
    log.warn(events.rejoinEnd, { primary: primary.name, error: why });
    return { kind: 'refused', why, commands };
  }

  #late({ primary, timeout }: RejoinOrder, admitted: boolean, lately: string): PgcmError {
    const did = admitted ? 'the cluster manager was asked to start it as a standby' : 'nothing was done';
    return new PgcmError(
      'timed-out',
      `rejoin: it does not stream from ${primary.name} after ${formatDuration(timeout)} (${did}): ${lately}`,
    );
  }
}

/**
 * To be run by hand as root on this node, while PostgreSQL is down. The folder that is set aside gets a name of
 * its own each time: `mv` to one that is there would put it inside that.
 */
function restore(remedy: Doubt['remedy'], directory: string, { address }: Located): readonly string[] {
  if (remedy === 'rewind') {
    return [
      `sudo -u postgres psql -h ${address} -c CHECKPOINT postgres`,
      `sudo -u postgres pg_rewind --progress --target-pgdata=${quoted(directory)} --source-server='host=${address} dbname=postgres'`,
    ];
  }
  return [
    `mv -T ${quoted(directory)} ${quoted(`${directory}.diverged-`)}"$(date +%Y%m%d-%H%M%S)"`,
    `cd / && sudo -u postgres pg_basebackup --progress --wal-method=stream --checkpoint=fast -h ${address} -U REPLICATION_USER -D ${quoted(directory)}`,
  ];
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
