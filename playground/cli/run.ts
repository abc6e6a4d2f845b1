import { constants } from 'node:os';
import { Playground } from '../client.js';
import { asPostgres } from '../cluster.js';
import { messageOf, PlaygroundError } from '../errors.js';
import { cacheRoot, playgroundPaths } from '../paths.js';
import { endWorld } from '../world-process.js';
import { prepareLayer, runInLayer } from '../layer-exec.js';
import { purgeCache } from '../purge.js';
import { type Arguments, parseArguments } from './args.js';
import { enter } from './enter.js';
import { help } from './help.js';
import { preflight } from './preflight.js';
import { printStatus, usageOf } from './status.js';

/** @returns the exit status; everything that goes wrong is said in one line on stderr */
export async function runCommand(argv: readonly string[]): Promise<number> {
  try {
    const args = parseArguments(argv);
    if (args === 'help') {
      process.stdout.write(help);
      return 0;
    }
    return await obey(args);
  } catch (error) {
    const known = error instanceof PlaygroundError;
    console.error(`playground: ${known ? error.message : ((error as Error).stack ?? messageOf(error))}`);
    return known ? error.exitStatus : 1;
  }
}

async function obey(args: Arguments): Promise<number> {
  const [host = '', ...rest] = args.positionals;
  switch (args.command) {
    case 'up':
      return up(args);
    case 'down':
      return down(args);
    case 'layer':
      return layer(host, rest);
    case 'purge':
      return purge(args);
    case 'status':
      return printStatus(Playground.attach(args.name), args.json);
    case 'exec':
      return enter(Playground.attach(args.name), host, rest.length > 0 ? rest : ['bash']);
    case 'psql':
      return enter(Playground.attach(args.name), host, asPostgres('psql', ...rest));
    case 'kill':
    case 'start':
    case 'cut':
    case 'heal':
      await Playground.attach(args.name)[args.command](host);
      return 0;
    case 'fencing':
      if (host !== 'ok' && host !== 'fail') throw new PlaygroundError('usage: fencing ok|fail', 2);
      await Playground.attach(args.name).fencing(host);
      return 0;
  }
}

async function up(args: Arguments): Promise<number> {
  await preflight();
  const log = stopwatch();
  const playground = await withInterrupt((signal) =>
    Playground.up({ ...args, signal, log: (line) => console.log(log(line)) }),
  );
  console.log(log(`playground '${args.name}' is up`));
  await printStatus(playground, false);
  console.log(usageOf(args.name, (await playground.status()).hosts, false));
  return 0;
}

/** Ctrl-C takes down what was made so far; a second one ends this command at once, `down` does the rest. */
async function withInterrupt<T>(action: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const interrupt = (signal: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(128 + constants.signals[signal]);
    controller.abort(new PlaygroundError(`ended by ${signal}; what was made is taken down`));
  };
  for (const signal of signals) process.on(signal, interrupt);
  try {
    return await action(controller.signal);
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}

async function layer(action: string, argv: readonly string[]): Promise<number> {
  const known = action === 'ensure' ? argv.length === 0 : action === 'exec' && argv.length > 0;
  if (!known) throw new PlaygroundError('usage: layer ensure | layer exec -- CMD [ARG...]', 2);
  await preflight();
  // Standard output belongs to the command.
  const log = (line: string): void => console.error(`packages: ${line}`);
  return withInterrupt(async (signal) => {
    const use = { environment: process.env, log, signal };
    if (action === 'exec') return runInLayer(argv, use);
    await prepareLayer(use);
    log('there');
    return 0;
  });
}

function stopwatch(): (line: string) => string {
  const start = performance.now();
  return (line) => `${((performance.now() - start) / 1000).toFixed(1).padStart(6)} s  ${line}`;
}

async function down(args: Arguments): Promise<number> {
  const existed = await endWorld(playgroundPaths(args.name, process.env));
  console.log(existed ? `playground '${args.name}' is gone` : `there was no playground '${args.name}'`);
  return 0;
}

async function purge(args: Arguments): Promise<number> {
  await down(args);
  const cache = cacheRoot(process.env);
  const existed = await purgeCache(cache, playgroundPaths(args.name, process.env));
  console.log(existed ? `the package cache ${cache} is gone` : `there was no package cache ${cache}`);
  return 0;
}
