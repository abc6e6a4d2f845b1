/** How long the cluster manager's fencing took, from the log of the node that led it. */
import type { Playground } from '../playground/client.js';

/** More than Pacemaker logs in a loss and its aftermath. */
const lastLines = '5000';

/**
 * From Pacemaker's decision to fence a host until the power switch had said that it is off, in ms; undefined when it was
 * not fenced. Each node has the log, and only the designated controller's tells of both.
 *
 * @param nodes those that are on
 */
export async function fencingOf(
  playground: Playground,
  nodes: readonly string[],
  lost: string,
): Promise<number | undefined> {
  const logs = await Promise.all(
    nodes.map(async (node) => {
      const { stdout } = await playground.exec(node, [
        'tail',
        '-n',
        lastLines,
        '/var/log/pacemaker/pacemaker.log',
      ]);
      return stdout;
    }),
  );
  return logs.map((log) => fencingIn(log, lost)).find((took) => took !== undefined);
}

/** The newest fencing of a host that this log tells of. Pure. */
export function fencingIn(log: string, lost: string): number | undefined {
  let began: number | undefined;
  let took: number | undefined;
  for (const line of log.split('\n')) {
    const at = timeOf(line);
    if (at === undefined) continue;
    // The controller's decision; what the fencer logs of the same comes later.
    if (new RegExp(`\\tnotice: Requesting fencing \\(\\w+\\) (of|targeting) node ${lost} `).test(line))
      began = at;
    if (began === undefined) continue;
    if (new RegExp(`Fence operation \\d+ for ${lost} (succeeded|passed)`).test(line)) {
      took = at - began;
      began = undefined;
    }
  }
  return took;
}

/** `Nov 30 15:28:57.969 ...`: two of one log are compared, so the year does not matter. */
function timeOf(line: string): number | undefined {
  const stamp = /^([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d\.\d{3}) /.exec(line)?.[1];
  if (stamp === undefined) return undefined;
  const at = Date.parse(`2000 ${stamp} UTC`);
  return Number.isNaN(at) ? undefined : at;
}
