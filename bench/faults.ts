/** The ways in which the benchmark takes the primary away, and how the cluster is made whole afterwards. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Playground } from '../playground/client.js';
import type { HostStatus } from '../playground/protocol.js';
import { rebuild } from '../playground/rebuild.js';
import { untilWhole } from './cluster.js';
import { machineClock } from './clock.js';

export const faultNames = ['power', 'postgres', 'cut'] as const;
export type FaultName = (typeof faultNames)[number];

export interface Fault {
  readonly words: string;
  /** Everything that takes time. @returns what strikes at once */
  prepare(playground: Playground, primary: HostStatus): Promise<() => Promise<void>>;
  /** What a person would do before the node can take part again. */
  mend(playground: Playground, lost: HostStatus, signal: AbortSignal): Promise<void>;
}

const pidFile = '/var/lib/postgresql/15/main/postmaster.pid';
const fencedWithinMs = 60_000;

export const faults: Readonly<Record<FaultName, Fault>> = {
  power: {
    words: 'its host loses its power',
    prepare: (playground, { name }) => Promise.resolve(() => playground.kill(name)),
    mend: async (playground, lost, signal) => {
      await untilFenced(playground, lost.name, signal);
      await playground.start(lost.name);
    },
  },
  postgres: {
    words: 'its postmaster is killed (SIGKILL)',
    prepare: killPostmaster,
    mend: () => Promise.resolve(),
  },
  cut: {
    words: "its host's cable is cut",
    prepare: (playground, { name }) => Promise.resolve(() => playground.cut(name)),
    mend: async (playground, lost, signal) => {
      await untilFenced(playground, lost.name, signal);
      await playground.heal(lost.name);
      await playground.start(lost.name);
    },
  },
};

/** The cluster as it was at the start, but for who is primary. */
export async function restore(
  playground: Playground,
  name: FaultName,
  lost: HostStatus,
  primary: HostStatus,
  signal: AbortSignal,
): Promise<void> {
  await faults[name].mend(playground, lost, signal);
  for (const { name: node } of await playground.hosts('postgres'))
    if (node !== primary.name) await rebuild(playground, node, primary);
  await untilWhole(playground, signal);
}

/** The shell stands by in the host: to get in takes longer than what is measured may be wrong by. */
async function killPostmaster(playground: Playground, { name }: HostStatus): Promise<() => Promise<void>> {
  const script = `read -r pid <${pidFile}; echo ready; read -r go; kill -9 "$pid"; echo done`;
  const child = await playground.spawn(name, ['sh', '-ec', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  const says = (word: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (said.includes(word)) resolve();
      };
      child.stdout?.on('data', look);
      child.once('close', () => reject(new Error(`${name}: the postmaster could not be killed`)));
      look();
    });
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  await says('ready');
  return async () => {
    child.stdin?.end('go\n');
    await says('done');
  };
}

/** A node that is started earlier would be switched off again. */
async function untilFenced(playground: Playground, node: string, signal: AbortSignal): Promise<void> {
  const deadline = machineClock() + fencedWithinMs;
  for (;;) {
    const host = (await playground.hosts()).find(({ name }) => name === node);
    if (host?.fenced === true) return;
    if (machineClock() > deadline)
      throw new Error(`${node} was not fenced within ${fencedWithinMs / 1_000} s`);
    await delay(200, undefined, { signal });
  }
}
