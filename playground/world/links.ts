import { runChecked, run } from '../exec.js';

/** The network's cables and its one switch, all in the world's own network namespace. */

const bridge = 'switch0';
const timeoutMs = 10_000;

export async function makeSwitch(): Promise<void> {
  // No spanning tree and no forwarding delay: a port forwards as soon as it is up.
  await ip('link', 'add', bridge, 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0');
  await ip('link', 'set', bridge, 'up');
}

/** A cable from the switch to eth0 of the host whose init has this pid; the end at the switch has the host's name. */
export async function plugIn(host: string, pid: number, connected: boolean): Promise<void> {
  await unplug(host);
  await ip('link', 'add', host, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid));
  await ip('link', 'set', host, 'master', bridge, ...(connected ? ['up'] : []));
}

/** The kernel takes the cable away with the host's namespace, but in its own time. */
export async function unplug(host: string): Promise<void> {
  await ipIfThere('remove', host, 'del', 'dev', host);
}

/** From now on nothing of the host reaches the others; also of one that is ending, and takes its cable with it. */
export async function silence(host: string): Promise<void> {
  await ipIfThere('take down', host, 'set', 'dev', host, 'down');
}

export async function setPort(host: string, connected: boolean): Promise<void> {
  await ip('link', 'set', 'dev', host, connected ? 'up' : 'down');
}

async function ipIfThere(what: string, host: string, ...args: string[]): Promise<void> {
  const result = await run('ip', ['link', ...args], { timeoutMs });
  if (result.status !== 0 && !/Cannot find device/.test(result.stderr)) {
    throw new Error(`cannot ${what} the link ${host}: ${result.stderr.trim()}`);
  }
}

async function ip(...args: string[]): Promise<void> {
  await runChecked('ip', args, { timeoutMs });
}
