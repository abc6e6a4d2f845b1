import { asPostgres } from '../../playground/cluster.js';
import { messageOf } from '../../playground/errors.js';
import { eventually } from '../support/eventually.js';
import { conflicts, lost } from './ledger.js';
import type { AgentName } from '../../playground/plan.js';
import type { Site } from './site.js';

const replayMs = 15_000;
const told = 5;

/** What must hold whenever the cluster is healthy. @returns what does not, a sentence each */
export async function violations(site: Site, agent: AgentName): Promise<readonly string[]> {
  const primary = await site.primary();
  if (primary === undefined) return ['no primary at the moment of the check'];
  // In this order: what is acknowledged from now on need not be among the rows.
  const acknowledged = site.writers.acknowledged();
  const rows = await site.writers.rowsOn(primary);
  const missing = lost(acknowledged, rows);
  const examples = missing
    .slice(0, told)
    .map(({ id, server, timeline }) => `${id} (acknowledged by ${server} on timeline ${timeline})`);
  return [
    ...(missing.length > 0 ? [`lost on ${primary}: ${missing.length} rows: ${examples.join(', ')}`] : []),
    ...conflicts(acknowledged),
    ...(await standbyViolations(site, primary, rows)),
    ...(agent === 'pgcm' ? await recordViolations(site, primary) : []),
  ];
}

/** A standby that has replayed all that the primary had has the same rows. One that follows another history has not. */
async function standbyViolations(
  site: Site,
  primary: string,
  rows: ReadonlySet<number>,
): Promise<readonly string[]> {
  const { cluster } = site;
  const psql = (node: string, query: string): Promise<string> =>
    cluster.output(node, ...asPostgres('psql', '-XAtc', query));
  const position = await psql(primary, 'select pg_current_wal_insert_lsn()');
  const standbys = (await site.nodes()).filter((name) => name !== primary);
  const found = await Promise.all(
    standbys.map(async (standby): Promise<readonly string[]> => {
      const query = `select pg_last_wal_replay_lsn() >= '${position}'`;
      try {
        await eventually(async () => (await psql(standby, query)) === 't', {
          ...{ limit: replayMs, every: 100, what: `${standby} has replayed ${position}` },
        });
        const own = await site.writers.rowsOn(standby);
        const ahead = await site.writers.rowsOn(primary);
        const [lacks, more] = [
          [...rows].filter((id) => !own.has(id)),
          [...own].filter((id) => !ahead.has(id)),
        ];
        return lacks.length + more.length === 0
          ? []
          : [
              `${standby} has another history than ${primary}: it lacks ${lacks.length} of its rows, and has ${more.length} that are not there`,
            ];
      } catch (error) {
        return [`the standby ${standby}: ${messageOf(error)}`];
      }
    }),
  );
  return found.flat();
}

/** The record of who may be promoted says what is so. */
async function recordViolations({ cluster }: Site, primary: string): Promise<readonly string[]> {
  const key = '/pgcm/entitlement';
  const text = await cluster.etcdctl('get', '--print-value-only', key);
  if (text === '') return [`there is no record in etcd at ${key}`];
  const record = JSON.parse(text) as Readonly<Record<string, unknown>>;
  const timeline = await cluster.timeline(primary);
  const said = `${String(record['primary'])} on timeline ${String(record['timeline'])}`;
  const entitled = Object.keys(record['entitled'] as Readonly<Record<string, string>>);
  return [
    ...(record['primary'] === primary && record['timeline'] === timeline
      ? []
      : [`the record says ${said}, and the primary is ${primary} on ${timeline}`]),
    ...(record['claimant'] === '' ? [] : [`the record has an open claim of ${String(record['claimant'])}`]),
    ...(entitled.includes(primary) ? [] : ['the record does not entitle the primary']),
    ...(entitled.length > 1 ? [] : ['the record entitles no standby']),
  ];
}
