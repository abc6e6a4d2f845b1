import type { Cluster } from '../acceptance/cluster.js';
import type { FailoverRun } from '../acceptance/failover-run.js';
import type { Load } from './load.js';

/** How long the services' logs were when a case began: by host and service. */
export type Marks = readonly { readonly host: string; readonly service: string; readonly size: number }[];

const services = ['pgcm-supervise', 'pgcm-proxy', 'pgbouncer'];
const longest = 60_000;

export async function logMarks(cluster: Cluster): Promise<Marks> {
  const marks = await Promise.all(
    cluster.bouncers.map(async (host) => {
      const { stdout } = await cluster.run(host, 'stat', '-c', '%n %s', ...services.map(logOf));
      return stdout.split('\n').flatMap((line) => {
        const [, service, size] = /\/([\w-]+)\.log (\d+)$/.exec(line) ?? [];
        return service === undefined ? [] : [{ host, service, size: Number(size) }];
      });
    }),
  );
  return marks.flat();
}

/** Everything that was said in this case, for a reader. */
export async function evidenceOf(
  cluster: Cluster,
  marks: Marks,
  run: FailoverRun,
  load: Load,
): Promise<string> {
  const parts = [`== the command\n${run.text}`];
  const failures = load
    .failures()
    .map(
      ({ client, during, message, done }) =>
        `${Math.round(done)} ${load.targetOf(client)} ${during}: ${message}`,
    );
  parts.push(`== errors of clients: ${failures.length}\n${failures.slice(0, 40).join('\n')}`);
  for (const { host, service, size } of marks) {
    const { stdout } = await cluster.run(host, 'tail', '-c', `+${size + 1}`, logOf(service));
    parts.push(`== ${service} on ${host}\n${stdout.slice(0, longest)}`);
  }
  const { stdout } = await cluster.run('pg01', 'crm_mon', '-1', '-A', '-f');
  parts.push(`== Pacemaker\n${stdout}`);
  return `${parts.join('\n\n')}\n`;
}

function logOf(service: string): string {
  return `/var/log/node/${service}.log`;
}
