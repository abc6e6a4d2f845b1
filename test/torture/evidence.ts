import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asPostgres } from '../../playground/cluster.js';
import type { Site } from './site.js';

const longest = 4_000_000;
const logs = [
  '/var/log/node/*.log',
  '/var/log/postgresql/*.log',
  '/var/log/pacemaker/pacemaker.log',
  '/var/log/corosync/corosync.log',
];

/** Everything that was said, for a reader: by host, and what the cluster is like now. */
export async function collectEvidence(site: Site, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const { name, power } of await site.hosts()) {
    if (power !== 'on') continue;
    const script = `for file in ${logs.join(' ')}; do
      [ ! -s "$file" ] || { echo "== $file"; tail -c ${longest} "$file"; }; done`;
    const { stdout } = await site.attempt(name, 'sh', '-c', script);
    writeFileSync(join(folder, `${name}.log`), stdout);
  }
  const state: string[] = [];
  for (const node of await site.nodes()) {
    const tell = async (...argv: string[]): Promise<void> => {
      const { stdout, stderr } = await site.attempt(node, ...argv);
      state.push(`== ${node}: ${argv.join(' ')}\n${stdout}${stderr}`);
    };
    await tell('crm_mon', '-1', '-A', '-f', '-o');
    await tell('sh', '-c', 'ETCDCTL_API=3 etcdctl get --prefix /');
    await tell('sh', '-c', '/usr/lib/postgresql/15/bin/pg_controldata /var/lib/postgresql/15/main');
    await tell('sh', '-c', 'cd /var/lib/postgresql/15/main/pg_wal && tail -n 50 *.history');
    await tell('sh', '-c', 'cat /var/lib/postgresql/15/main/postgresql.auto.conf; ls -laR /var/lib/pgcm; df');
    await tell('sh', '-c', 'tail -n +1 /var/lib/pgcm/*');
    await tell(...asPostgres('psql', '-Xx', '-c', 'select * from pg_stat_replication'));
    await tell(...asPostgres('psql', '-Xx', '-c', 'select * from pg_replication_slots'));
    await tell('ps', '-eo', 'pid,ppid,stat,etimes,args');
  }
  writeFileSync(join(folder, 'state.txt'), `${state.join('\n\n')}\n`);
  const records = site.writers.records.map((record) => JSON.stringify(record));
  writeFileSync(join(folder, 'clients.jsonl'), `${records.join('\n')}\n`);
}
