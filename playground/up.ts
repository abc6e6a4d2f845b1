import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import type { Playground } from './client.js';
import { missingInCluster, type Missing } from './cluster.js';
import { messageOf, PlaygroundError } from './errors.js';
import { ensureLayer } from './layer.js';
import { takeLock, type Lock } from './lock.js';
import { cacheRoot, makePrivate, playgroundPaths, repository, type PlaygroundPaths } from './paths.js';
import { type AgentName, maxHosts, planHosts } from './plan.js';
import { findWorld } from './processes.js';
import type { WorldStatus } from './protocol.js';
import type { DiskKind, FencingKind } from './world-config.js';
import { ask, clearLeftovers, endWorld, startWorld, tailOfLog } from './world-process.js';

export interface UpOptions {
  readonly name?: string | undefined;
  /** Postgres nodes, 1 to 9; 3 unless given. */
  readonly nodes?: number | undefined;
  /** App hosts, 0 to 9; 1 unless given. */
  readonly apps?: number | undefined;
  /** 'keeping' unless given. */
  readonly disks?: DiskKind | undefined;
  /** 'playground', its power switch, unless given. */
  readonly fencing?: FencingKind | undefined;
  /** Another checkout, built, for the hosts to run than this one. */
  readonly repository?: string | undefined;
  /** 'pgcm' unless given. */
  readonly agent?: AgentName | undefined;
  /** 'hosts' is enough for who needs no working cluster: every host's start script runs. */
  readonly until?: 'hosts' | 'cluster' | undefined;
  /** Hosts of another kind of cluster, in the same network; only with `until: 'hosts'`. */
  readonly instead?: OtherSetup | undefined;
  /** How long to wait for the cluster once the hosts are on; 180 s unless given. */
  readonly timeoutMs?: number | undefined;
  readonly keepOnFailure?: boolean | undefined;
  readonly log?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly environment?: NodeJS.ProcessEnv | undefined;
}

/** What a host is, if not pgcm's. Both are files of the checkout. */
export interface OtherSetup {
  /** In place of docker/node-start, with the same environment. */
  readonly start: string;
  /** Debian packages beside those of docker/packages.txt. */
  readonly packages: string;
}

const pollMs = 250;
const worldDeadlineMs = 60_000;
const heartbeatMs = 10_000;

/** @returns where the playground is that is now up */
export async function bringUp(
  options: UpOptions,
  attach: (paths: PlaygroundPaths) => Playground,
): Promise<PlaygroundPaths> {
  const environment = options.environment ?? process.env;
  const paths = playgroundPaths(options.name ?? 'main', environment);
  const hosts = planHosts(inRange('nodes', options.nodes ?? 3, 1), inRange('apps', options.apps ?? 1, 0));
  const log = options.log ?? (() => undefined);
  const lock = await takeName(paths);
  const signal = AbortSignal.any([lock.lost, ...(options.signal === undefined ? [] : [options.signal])]);
  try {
    const { start, packages } = options.instead ?? { start: 'docker/node-start', packages: undefined };
    const layer = await ensureLayer({ cache: cacheRoot(environment), packages, paths, log, signal });
    try {
      log(`starting ${hosts.map(({ name }) => name).join(', ')}`);
      startWorld(paths, {
        name: paths.name,
        hosts,
        world: paths.world,
        logs: paths.logs,
        controlSocket: paths.controlSocket,
        powerSocket: paths.powerSocket,
        disks: options.disks ?? 'keeping',
        fencing: options.fencing ?? 'playground',
        repository: options.repository ?? repository,
        start,
        node: process.execPath,
        layer: layer.directory,
        seed: layer.seed,
        agent: options.agent ?? 'pgcm',
        layerWork: join(layer.directory, 'work', `${paths.name}-${randomBytes(4).toString('hex')}`),
        since: new Date().toISOString(),
      });
      await waitForHosts(paths, signal);
    } finally {
      layer.lock.release();
    }
    if (options.until !== 'hosts') {
      await waitForCluster(attach(paths), options.timeoutMs ?? 180_000, log, signal);
    }
    return paths;
  } catch (error) {
    tellWhy(
      paths,
      hosts.map(({ name }) => name),
      log,
    );
    // The abort's reason says more than the call that it interrupted. (Ending the world ends our lock too.)
    const why: unknown = signal.aborted ? signal.reason : error;
    if (options.keepOnFailure !== true) await endWorld(paths);
    throw why;
  } finally {
    lock.release();
  }
}

/** @throws PlaygroundError (exit status 2) */
function inRange(option: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least && value <= maxHosts) return value;
  throw new PlaygroundError(`${option}: ${value} is not a whole number from ${least} to ${maxHosts}`, 2);
}

/** One `up` at a time per name, and none over a playground that is up. */
async function takeName(paths: PlaygroundPaths): Promise<Lock> {
  makePrivate(paths.directory);
  const lock = await takeLock(paths.lock, paths.marker, false);
  if (lock === undefined) {
    throw new PlaygroundError(
      `another \`up\` of playground '${paths.name}' is at work; \`down\` would end it`,
    );
  }
  try {
    if (findWorld(paths) !== undefined) {
      throw new PlaygroundError(
        `playground '${paths.name}' is up already; see \`status\`, or take it \`down\` first`,
      );
    }
    await clearLeftovers(paths, lock.holder);
    makePrivate(paths.logs);
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function waitForHosts(paths: PlaygroundPaths, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + worldDeadlineMs;
  for (;;) {
    const world = await askOnceThere(paths, signal);
    if (world?.phase === 'ready') return;
    if (world?.phase === 'failed')
      throw new PlaygroundError(`the hosts could not be made: ${world.error ?? ''}`);
    if (performance.now() > deadline) {
      throw new PlaygroundError(`the hosts were not on after ${worldDeadlineMs / 1000} s`);
    }
    await delay(pollMs / 5, undefined, { signal });
  }
}

/** The daemon needs a moment to open its socket. */
async function askOnceThere(paths: PlaygroundPaths, signal: AbortSignal): Promise<WorldStatus | undefined> {
  try {
    return await ask(paths, { command: 'status' }, 5_000, signal);
  } catch (error) {
    signal.throwIfAborted();
    const { code } = (error as Error).cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined;
    throw error;
  }
}

async function waitForCluster(
  playground: Playground,
  timeoutMs: number,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let [said, saidAt]: [Missing, number] = [undefined, 0];
  for (;;) {
    const looked = performance.now();
    await refuseDeadHosts(playground, signal);
    const missing = await missingInCluster(playground).catch(messageOf);
    if (missing === undefined) return;
    const now = performance.now();
    if (now > deadline) throw new PlaygroundError(`after ${timeoutMs / 1000} s still waiting for ${missing}`);
    if (missing !== said || now > saidAt + heartbeatMs) {
      log(`waiting for ${missing}`);
      [said, saidAt] = [missing, now];
    }
    // To look costs programs: what is waited for shall have the machine for as long again.
    await delay(Math.max(pollMs, now - looked), undefined, { signal });
  }
}

/** A host that ended, or was fenced, does not come back by itself: there is nothing to wait for. */
async function refuseDeadHosts(playground: Playground, signal: AbortSignal): Promise<void> {
  const { hosts } = await playground.status(signal);
  const off = hosts.find(({ power }) => power === 'off');
  if (off !== undefined) throw new PlaygroundError(`${off.name} is off: ${off.reason ?? 'unknown reason'}`);
}

function tellWhy(paths: PlaygroundPaths, hosts: readonly string[], log: (line: string) => void): void {
  for (const name of ['layer', 'seed', 'world', ...hosts]) {
    const lines = tailOfLog(paths, name, 8).filter((line) => line !== '');
    if (lines.length > 0) log([`the end of ${name}.log:`, ...lines.map((line) => `    ${line}`)].join('\n'));
  }
}
