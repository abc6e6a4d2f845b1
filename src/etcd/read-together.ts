import { describeError } from '../domain/errors.js';
import type { Range } from './kv.js';

interface Asked<R> {
  readonly range: Range;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads that are asked for in the same turn of the event loop, in one call: all that a daemon follows is
 * read at its start and after each trouble with etcd, by thousands of daemons at the same moment.
 */
export class ReadTogether<R> {
  readonly #read: (ranges: readonly Range[]) => Promise<readonly R[]>;
  #asked: Asked<R>[] = [];

  /** @param read all of them as of one revision, in their order */
  constructor(read: (ranges: readonly Range[]) => Promise<readonly R[]>) {
    this.#read = read;
  }

  read(range: Range): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ range, resolve, reject });
      if (this.#asked.length === 1) setImmediate(() => void this.#flush());
    });
  }

  async #flush(): Promise<void> {
    const asked = this.#asked;
    this.#asked = [];
    try {
      const results = await this.#read(asked.map(({ range }) => range));
      asked.forEach(({ resolve }, index) => resolve(results[index] as R));
    } catch (error) {
      // A right that is missing for one of them speaks against all in one call.
      if (asked.length > 1 && describeError(error).includes('permission denied')) {
        for (const one of asked)
          this.#read([one.range]).then(([result]) => one.resolve(result as R), one.reject);
      } else {
        for (const { reject } of asked) reject(error);
      }
    }
  }
}
