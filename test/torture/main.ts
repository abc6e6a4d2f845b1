/** `npm run torture`: random faults on a real cluster, and what comes of them. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../../bench/program.js';
import { stopwatch } from '../../bench/with-playground.js';
import { Cluster } from '../acceptance/cluster.js';
import { faultKinds } from './kinds.js';
import { help, parseOptions, type TortureOptions } from './options.js';
import { plantInto, plantNamed } from './plants.js';
import { plants } from './plants/all.js';
import { torture } from './run.js';

const print = (line: string): void => console.log(line);

process.exitCode = await runProgram('torture', async (signal) => {
  const options = parseOptions(process.argv.slice(2));
  if (options === 'help') print(help);
  else if (options === 'list') list();
  else return run(options, signal);
  return 0;
});

function list(): void {
  print(`faults: ${faultKinds.join(', ')}`);
  for (const { name, says } of plants) print(`--plant ${name.padEnd(28)} ${says}`);
}

async function run(options: TortureOptions, signal: AbortSignal): Promise<number> {
  let repository: string | undefined;
  if (options.plant !== undefined) {
    repository = join(options.out, `planted-${options.name}`);
    plantInto(repository, plantNamed(options.plant));
  }
  const cluster = await Cluster.up(options.name, {
    log: stopwatch(print),
    signal,
    repository,
    agent: options.agent,
    disks: 'losing',
    fencing: options.fencing ? 'playground' : 'none',
  });
  let keep = false;
  try {
    const { violations, figures, folder } = await torture(cluster, options, print, signal);
    keep = options.keep && violations.length > 0;
    print(JSON.stringify(figures));
    print(`${violations.length === 0 ? 'nothing was found' : 'VIOLATIONS'}; seed ${options.seed}; ${folder}`);
    return violations.length === 0 ? 0 : 1;
  } finally {
    if (!keep) await cluster.down();
    if (!keep && repository !== undefined) rmSync(repository, { recursive: true, force: true });
  }
}
