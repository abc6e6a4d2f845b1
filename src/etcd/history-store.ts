import type { Revision } from '../domain/route.js';
import type { HistoryFeed, HistoryListing, HistoryNews, HistoryStore } from '../domain/stores.js';
import type { SwitchoverReport } from '../domain/switchover.js';
import { switchoverReport } from '../records/switchover-report.js';
import type { Etcd } from './client.js';
import { keys } from './keys.js';
import type { KeyValue } from './kv.js';
import { RecordReader } from './records.js';

/** How many reports are kept. etcd takes 128 operations in a transaction, so these can go in one. */
const KEPT = 100;

/**
 * The reports of finished switchovers in etcd. Their order is the one in which etcd got them: clocks jump.
 *
 * The one write of a switchover that is not guarded by its lock: the lock is given back before the run is
 * over, and a run that has lost it has something to tell, too. Each report has a key of its own, so it undoes
 * nothing of another run's.
 */
export class EtcdHistoryStore implements HistoryStore, HistoryFeed {
  readonly #etcd: Etcd;

  constructor(etcd: Etcd) {
    this.#etcd = etcd;
  }

  async add(report: SwitchoverReport, signal: AbortSignal): Promise<void> {
    const value = switchoverReport.serialise(report);
    const key = `${keys.history}${report.startedAt}-${report.id}`;
    const { kvs } = await this.#etcd.read({ prefix: keys.history, keysOnly: true }, signal);
    const others = newestFirst(kvs).filter((kv) => kv.key !== key);
    const old = others.slice(KEPT - 1, KEPT - 1 + KEPT);
    await this.#etcd.repeatableTxn(
      { compare: [], then: [{ put: key, value }, ...old.map((kv) => ({ delete: kv.key }))] },
      signal,
    );
  }

  async list(signal: AbortSignal): Promise<HistoryListing> {
    const { kvs } = await this.#etcd.getPrefix(keys.history, signal);
    const { values, problems } = new RecordReader(switchoverReport, keys.history).read(newestFirst(kvs));
    return { reports: values, problems };
  }

  /** The names first: a report is some kilobytes, and mostly there is no new one. */
  async since(after: Revision | undefined, signal: AbortSignal): Promise<HistoryNews> {
    const { kvs, revision } = await this.#etcd.read({ prefix: keys.history, keysOnly: true }, signal);
    const newest = newestFirst(kvs);
    // An etcd that was restored to an earlier state counts from there again.
    const isAfter = after !== undefined && revision >= after;
    const wanted = isAfter ? newest.filter((kv) => kv.createRevision > after) : newest.slice(0, 1);
    const reader = new RecordReader(switchoverReport, keys.history);
    const read = await Promise.all(wanted.map(({ key }) => this.#etcd.get(key, signal)));
    const found = read.flatMap(({ kv }) => kv ?? []);
    return { reports: [...reader.read(found).values].reverse(), revision };
  }
}

function newestFirst(kvs: readonly KeyValue[]): readonly KeyValue[] {
  return [...kvs].sort((a, b) => Number(b.createRevision - a.createRevision));
}
