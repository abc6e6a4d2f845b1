import { quote } from '../domain/address.js';
import { describeError } from '../domain/errors.js';
import type { Revision } from '../domain/route.js';
import type { JsonRecord } from '../records/record.js';
import type { KeyValue } from './kv.js';

export interface RecordReading<T> {
  readonly values: readonly T[];
  /** One text for each value that is not understood. */
  readonly problems: readonly string[];
}

type Parsed<T> = { readonly value: T } | { readonly problem: string };

/**
 * The records under one prefix. What was parsed is kept as long as its key does not change: whoever
 * follows 200 proxies gets all of them with each change of one.
 */
export class RecordReader<T> {
  readonly #record: JsonRecord<T>;
  readonly #prefix: string;
  readonly #idOf: (value: T) => string | undefined;
  #parsed = new Map<string, { readonly revision: Revision; readonly parsed: Parsed<T> }>();

  /** @param idOf what the rest of the key must be; undefined: anything */
  constructor(
    record: JsonRecord<T>,
    prefix: string,
    idOf: (value: T) => string | undefined = () => undefined,
  ) {
    this.#record = record;
    this.#prefix = prefix;
    this.#idOf = idOf;
  }

  /** In the order of the keys that is given. */
  read(kvs: readonly KeyValue[]): RecordReading<T> {
    const before = this.#parsed;
    this.#parsed = new Map();
    const values: T[] = [];
    const problems: string[] = [];
    for (const kv of kvs) {
      const known = before.get(kv.key);
      const parsed = known?.revision === kv.modRevision ? known.parsed : this.#parse(kv);
      this.#parsed.set(kv.key, { revision: kv.modRevision, parsed });
      if ('value' in parsed) values.push(parsed.value);
      else problems.push(parsed.problem);
    }
    return { values, problems };
  }

  #parse({ key, value }: KeyValue): Parsed<T> {
    try {
      const parsed = this.#record.parse(value, key);
      const id = this.#idOf(parsed);
      if (id === undefined || key === this.#prefix + id) return { value: parsed };
      return { problem: `${quote(key, 200)} holds the ${this.#record.name} of ${quote(id)}` };
    } catch (error) {
      return { problem: describeError(error) };
    }
  }
}

/** As etcd sorts them; a watched view has them in the order of their coming. */
export function byKey(kvs: readonly KeyValue[]): readonly KeyValue[] {
  return [...kvs].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}
