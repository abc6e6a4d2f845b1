import type { ChildProcess } from 'node:child_process';
import { collect, type RunOptions, type RunResult } from './exec.js';
import { PlaygroundError } from './errors.js';
import { spawnInside, type InsideOptions } from './inside.js';
import { type PlaygroundPaths, playgroundPaths } from './paths.js';
import type { AgentName, HostKind } from './plan.js';
import type { ControlRequest, HostStatus, WorldStatus } from './protocol.js';
import { bringUp, type UpOptions } from './up.js';
import { readWorldConfig } from './world-config.js';
import { ask, endWorld, requireWorld } from './world-process.js';

export type { OtherSetup, UpOptions } from './up.js';
export type { HostStatus, WorldStatus } from './protocol.js';

/** How long a command of the world's daemon may take; booting a host is the longest. */
const controlTimeoutMs = 40_000;
const execTimeoutMs = 30_000;

export type ExecOptions = Partial<RunOptions>;

/**
 * A whole cluster on this machine. Every call has a deadline and fails with a PlaygroundError that says
 * what was tried.
 */
export class Playground {
  private constructor(
    readonly paths: PlaygroundPaths,
    private readonly world: number,
  ) {}

  /** Make a playground and wait until its cluster works; what was made is taken down again if it does not. */
  static async up(options: UpOptions = {}): Promise<Playground> {
    const paths = await bringUp(options, (found) => Playground.attachTo(found));
    return Playground.attachTo(paths);
  }

  /** Use a playground that is up. */
  static attach(name = 'main', environment: NodeJS.ProcessEnv = process.env): Playground {
    return Playground.attachTo(playgroundPaths(name, environment));
  }

  private static attachTo(paths: PlaygroundPaths): Playground {
    return new Playground(paths, requireWorld(paths));
  }

  /** The resource agent that runs PostgreSQL in here. */
  get agent(): AgentName {
    return readWorldConfig(this.paths.config).agent;
  }

  /** Take it away with all its processes, mounts, namespaces and links. */
  async down(): Promise<void> {
    await endWorld(this.paths);
  }

  status(signal?: AbortSignal): Promise<WorldStatus> {
    return this.ask({ command: 'status' }, signal);
  }

  /** @returns the hosts, of one kind if given */
  async hosts(kind?: HostKind): Promise<readonly HostStatus[]> {
    const { hosts } = await this.status();
    return kind === undefined ? hosts : hosts.filter((host) => host.kind === kind);
  }

  /** Power loss: SIGKILL for the host's init. Done when no process of the host is left. */
  async kill(host: string): Promise<void> {
    await this.ask({ command: 'kill', host });
  }

  /** Boot it with what its disk has. Done when its own start script runs; `started` in status() tells of its services. */
  async start(host: string): Promise<void> {
    await this.ask({ command: 'start', host });
  }

  /** Cut its network cable. */
  async cut(host: string): Promise<void> {
    await this.ask({ command: 'cut', host });
  }

  async heal(host: string): Promise<void> {
    await this.ask({ command: 'heal', host });
  }

  /** 'fail': the power switch answers every `off` with an error, and switches nothing off. */
  async fencing(mode: 'ok' | 'fail'): Promise<void> {
    await this.ask({ command: 'fencing', works: mode === 'ok' });
  }

  /**
   * Run a command in a host to its end, as root with a clean environment.
   * @param options timeoutMs is 30 s unless given; the command is killed when it is over
   */
  async exec(host: string, argv: readonly string[], options: ExecOptions = {}): Promise<RunResult> {
    const child = await this.spawn(host, argv);
    child.stdin?.on('error', () => {
      // It ended without reading its input: its exit status tells more.
    });
    child.stdin?.end(options.input ?? '');
    return collect(child, `${host}: ${argv.join(' ')}`, {
      timeoutMs: options.timeoutMs ?? execTimeoutMs,
      signal: options.signal,
    });
  }

  /** Start a command in a host. kill() of the child reaches the command; the child is not ended by anybody else. */
  async spawn(host: string, argv: readonly string[], options: InsideOptions = {}): Promise<ChildProcess> {
    const { hosts } = await this.status();
    const found = hosts.find(({ name }) => name === host);
    if (found === undefined) {
      throw new PlaygroundError(`no host '${host}'; there are ${hosts.map(({ name }) => name).join(', ')}`);
    }
    if (found.pid === undefined) {
      throw new PlaygroundError(
        `${host} is ${found.power}${found.reason === undefined ? '' : ` (${found.reason})`}`,
      );
    }
    return spawnInside(this.world, found.pid, argv, options);
  }

  private ask(request: ControlRequest, signal?: AbortSignal): Promise<WorldStatus> {
    return ask(this.paths, request, controlTimeoutMs, signal);
  }
}
