import { constants } from 'node:os';
import type { Playground } from '../client.js';

/** Run a command in a host with this terminal (or these pipes). @returns its exit status, as a shell counts it */
export async function enter(playground: Playground, host: string, argv: readonly string[]): Promise<number> {
  // On a terminal the keys' signals go to the whole foreground process group by themselves.
  const foreground = process.stdin.isTTY;
  const child = await playground.spawn(host, argv, { stdio: 'inherit', foreground });
  const forward = (signal: NodeJS.Signals): void => {
    if (!foreground || signal !== 'SIGINT') child.kill(signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
  for (const signal of signals) process.on(signal, forward);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) =>
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
      );
    });
  } finally {
    for (const signal of signals) process.off(signal, forward);
  }
}
