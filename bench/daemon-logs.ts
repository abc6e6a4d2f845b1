/** What the daemons of all hosts that are on logged within some time. */
import type { Playground } from '../playground/client.js';
import { onMachineClock } from './clock.js';
import { readLogLine, type FailoverRun, type LogLine } from './failover-command.js';

export interface DaemonLine extends LogLine {
  readonly host: string;
  readonly daemon: 'supervise' | 'proxy';
  /** On the machine's clock. The log's dates are whole milliseconds. */
  readonly at: number;
}

const daemonsOf = { postgres: ['supervise', 'proxy'], app: ['proxy'], client: [] } as const;
/** More than a run writes: a daemon that complains of something does so once, not all the time. */
const lastLines = '2000';
const roundingMs = 1;

/** In the order of their times. */
export async function daemonLines(
  playground: Playground,
  { started, ended }: Pick<FailoverRun, 'started' | 'ended'>,
): Promise<DaemonLine[]> {
  const hosts = (await playground.hosts()).filter(({ power }) => power === 'on');
  const wanted = hosts.flatMap(({ name, kind }) => daemonsOf[kind].map((daemon) => ({ host: name, daemon })));
  const logs = await Promise.all(
    wanted.map(async ({ host, daemon }) => {
      const file = `/var/log/node/pgcm-${daemon}.log`;
      const { stdout } = await playground.exec(host, ['tail', '-n', lastLines, file]);
      return stdout
        .split('\n')
        .flatMap((text) => readLogLine(text) ?? [])
        .map((line): DaemonLine => ({ ...line, host, daemon, at: onMachineClock(line.ts) }));
    }),
  );
  return logs
    .flat()
    .filter(({ at }) => at >= started - roundingMs && at <= ended + roundingMs)
    .sort((a, b) => a.at - b.at);
}

/**
 * When Pacemaker was asked to move the primary: from the log of the supervise that asked, as the
 * command's own request to it is part of pgcm's time, not the cluster manager's.
 */
export function moveIssuedAt(lines: readonly DaemonLine[], target: string): number | undefined {
  return lines.find(
    ({ daemon, event, fields }) =>
      daemon === 'supervise' && event === 'clients.pacemaker.migrate' && fields['target'] === target,
  )?.at;
}
