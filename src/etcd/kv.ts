import type { ICompare, IKeyValue, IRequestOp, ITxnRequest } from 'etcd3';
import type { Revision } from '../domain/route.js';

/** One key as etcd holds it. All counters are int64 in etcd, so they are bigints. */
export interface KeyValue {
  /** Without the namespace. */
  readonly key: string;
  readonly value: Buffer;
  /** The revision of the key's creation; a key that is deleted and made again gets a new one. */
  readonly createRevision: Revision;
  /** The revision of its last change. */
  readonly modRevision: Revision;
  /** 0n: none. */
  readonly lease: bigint;
}

/** One key, or all keys that begin with `prefix`; of these a read can leave out the values. */
export type Range = { readonly key: string } | { readonly prefix: string; readonly keysOnly?: boolean };

export type Compare =
  /** 0n: the key does not exist. */
  | { readonly key: string; readonly modRevision: Revision }
  | { readonly key: string; readonly createRevision: Revision };

export type Operation =
  | { readonly put: string; readonly value: string | Buffer; readonly lease?: bigint }
  | { readonly delete: string };

export interface Txn {
  readonly compare: readonly Compare[];
  readonly then: readonly Operation[];
}

/** Puts the namespace before every key, as it stands, and takes it off again. */
export class Keyspace {
  readonly #namespace: string;

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  range(range: Range): { key: Buffer; range_end?: Buffer } {
    if ('key' in range) return { key: this.#key(range.key) };
    const key = this.#key(range.prefix);
    return { key, range_end: endOfPrefix(key) };
  }

  txn({ compare, then }: Txn): ITxnRequest {
    return { compare: compare.map((c) => this.#compare(c)), success: then.map((op) => this.#operation(op)) };
  }

  parse(kv: IKeyValue): KeyValue {
    return {
      key: kv.key.toString('utf8').slice(this.#namespace.length),
      value: kv.value,
      createRevision: BigInt(kv.create_revision),
      modRevision: BigInt(kv.mod_revision),
      lease: BigInt(kv.lease),
    };
  }

  #compare(compare: Compare): ICompare {
    const key = this.#key(compare.key);
    return 'modRevision' in compare
      ? { key, target: 'Mod', result: 'Equal', mod_revision: compare.modRevision.toString() }
      : { key, target: 'Create', result: 'Equal', create_revision: compare.createRevision.toString() };
  }

  #operation(operation: Operation): IRequestOp {
    if ('delete' in operation) return { request_delete_range: { key: this.#key(operation.delete) } };
    const { put, value, lease } = operation;
    return {
      request_put: {
        key: this.#key(put),
        value: Buffer.from(value),
        ...(lease === undefined ? {} : { lease: lease.toString() }),
      },
    };
  }

  #key(key: string): Buffer {
    return Buffer.from(this.#namespace + key, 'utf8');
  }
}

/** The first key after all that begin with `prefix`; a zero byte means: to the end (etcd's rpc.proto). */
function endOfPrefix(prefix: Buffer): Buffer {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length -= 1;
  if (length === 0) return Buffer.from([0]);
  const end = Buffer.from(prefix.subarray(0, length));
  end[length - 1] = (end[length - 1] ?? 0) + 1;
  return end;
}
