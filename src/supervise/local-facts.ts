import type { ClusterManager } from '../domain/cluster.js';
import { PgcmError } from '../domain/errors.js';
import type { Postgres } from '../domain/postgres.js';
import type { Milliseconds } from '../domain/time.js';
import { Latest } from '../runtime/latest.js';
import { retryForever } from '../runtime/retry.js';
import type { Service } from '../runtime/service-group.js';

export interface LocalFactsOptions {
  readonly postgres: Pick<Postgres, 'inspect' | 'dataDirectory'>;
  readonly manager: Pick<ClusterManager, 'dataDirectory'>;
  /** postgres-data-dir; empty: what PostgreSQL says. */
  readonly dataDirectory: string;
}

const RETRY = { min: 1_000, max: 10_000 } satisfies Record<string, Milliseconds>;

/**
 * What this node's PostgreSQL is, asked while it runs and remembered for when it does not. Asked again
 * when its role changed: it may be another one then.
 */
export class LocalFacts implements Service {
  readonly name = 'local-facts';
  readonly #options: LocalFactsOptions;
  readonly #changes = new Latest(0);
  #systemIdentifier: string | undefined;
  #dataDirectory: string | undefined;

  constructor(options: LocalFactsOptions) {
    this.#options = options;
  }

  /** Undefined while it was never asked. */
  get systemIdentifier(): string | undefined {
    return this.#systemIdentifier;
  }

  /** @throws PgcmError `unavailable` when nobody has said so far */
  async dataDirectory(signal: AbortSignal): Promise<string> {
    const { dataDirectory, manager } = this.#options;
    const known = dataDirectory === '' ? this.#dataDirectory : dataDirectory;
    const found = known ?? (await manager.dataDirectory(signal));
    if (found !== undefined) return found;
    throw new PgcmError(
      'unavailable',
      "PostgreSQL's data directory is not known: it has not run since supervise was started, and the cluster manager does not tell; set postgres-data-dir",
    );
  }

  /** PostgreSQL changed its role, or was seen for the first time. */
  changed(): void {
    this.#changes.set(this.#changes.value + 1);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { value: changes } = this.#changes;
      // That PostgreSQL does not answer is the health check's to say.
      await retryForever(
        (on) => this.#learn(on),
        RETRY,
        signal,
        () => undefined,
      );
      if (this.#changes.value === changes) await this.#changes.changed(undefined, signal);
    }
  }

  async #learn(signal: AbortSignal): Promise<void> {
    const { postgres } = this.#options;
    this.#dataDirectory = await postgres.dataDirectory(signal);
    this.#systemIdentifier = (await postgres.inspect(signal)).systemIdentifier;
  }
}
