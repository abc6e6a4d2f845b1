import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, closeSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { messageOf } from '../errors.js';
import { killGroup, runChecked, signalIfThere, toolEnvironment } from '../exec.js';
import { script } from '../paths.js';
import type { HostPlan } from '../plan.js';
import type { HostStatus } from '../protocol.js';
import type { WorldConfig } from '../world-config.js';
import { LosingDisk } from './losing-disk.js';
import { plugIn, setPort, silence, unplug } from './links.js';

type State =
  | { readonly power: 'off'; readonly reason: string; readonly since: Date }
  | { readonly power: 'booting'; readonly since: Date }
  | { readonly power: 'on'; readonly running: Running; readonly since: Date };

interface Running {
  /** PID of the host's init, in the world. */
  readonly pid: number;
  /** Settles when the init, and with it every process of the host, is gone. */
  readonly gone: Promise<string>;
}

const bootDeadlineMs = 30_000;

/** One host: its disk, its power, its cable. Its disk stays as it is when the power goes, unless its disks are of those that lose. */
export class Host {
  private state: State = { power: 'off', reason: 'not started yet', since: new Date() };
  private cable: HostStatus['cable'] = 'plugged';
  private fenced = false;
  /** Why its processes are being ended. */
  private ending: string | undefined;
  private queue: Promise<unknown> = Promise.resolve();
  private readonly root: string;
  private disks: readonly LosingDisk[] = [];

  constructor(
    readonly plan: HostPlan,
    private readonly config: WorldConfig,
  ) {
    this.root = join(config.world, 'hosts', plan.name, 'root');
  }

  /** An overlay over the package layer; mounted in the world, so that it outlives the host's processes. */
  async makeDisk(layerRoot: string): Promise<void> {
    const folder = join(this.config.world, 'hosts', this.plan.name);
    const [upper, work] = [join(folder, 'upper'), join(folder, 'work')];
    for (const path of [upper, work, this.root]) mkdirSync(path, { recursive: true });
    const options = `lowerdir=${layerRoot},upperdir=${upper},workdir=${work},index=off`;
    await runChecked('mount', ['-t', 'overlay', '-o', options, 'playground', this.root], {
      timeoutMs: 10_000,
    });
    const etc = (file: string): string => join(this.root, 'etc', file);
    const names = this.config.hosts.map(({ address, name }) => `${address} ${name}\n`);
    this.replace(etc('hosts'), `127.0.0.1 localhost\n${names.join('')}`);
    this.replace(etc('hostname'), `${this.plan.name}\n`);
    // There is no name server in there; the machine's would only be waited for.
    this.replace(etc('resolv.conf'), '');
    if (this.config.disks === 'losing' && this.plan.kind === 'postgres') await this.makeLosingDisks(folder);
  }

  /**
   * Two, so that one can be full without the other. A test that fills the data directory's reaches no limit of this
   * machine: it is small, and still has room for the data directory twice.
   */
  private async makeLosingDisks(folder: string): Promise<void> {
    const disk = (name: string, mebibytes: number, ...folders: string[]): LosingDisk =>
      new LosingDisk({
        image: join(folder, 'disks', `${name}.img`),
        mebibytes,
        mountPoint: join(folder, 'disks', name),
        folders: folders.map((path) => join(this.root, 'var/lib', path)),
      });
    this.disks = [disk('data', 1_536, 'postgresql'), disk('state', 512, 'etcd', 'pgcm', 'pacemaker')];
    for (const one of this.disks) await one.make();
  }

  /** A link's target is the machine's business: the file itself is replaced. */
  private replace(file: string, text: string): void {
    rmSync(file, { force: true });
    writeFileSync(file, text);
  }

  status(): HostStatus {
    const { plan, state, cable, fenced } = this;
    const common = { ...plan, power: state.power, cable, fenced, since: state.since.toISOString() };
    switch (state.power) {
      case 'off':
        return { ...common, reason: state.reason, started: false };
      case 'booting':
        return { ...common, started: false };
      case 'on': {
        const { pid } = state.running;
        return { ...common, pid, started: existsSync(`/proc/${pid}/root/run/node/started`) };
      }
    }
  }

  /** Switch it on; nothing happens if it is on. Done when the node's own start script has taken over. */
  start(): Promise<void> {
    return this.inTurn(async () => {
      if (this.state.power === 'on') return;
      this.state = { power: 'booting', since: new Date() };
      this.fenced = false;
      try {
        const running = await this.boot();
        this.state = { power: 'on', running, since: new Date() };
        void running.gone.then((how) => this.ended(running, how));
      } catch (error) {
        this.state = { power: 'off', reason: `it did not start: ${messageOf(error)}`, since: new Date() };
        throw error;
      }
    });
  }

  /**
   * Take its power away: SIGKILL for its init. Done when no process of it is left. Its network goes first: a kernel
   * whose processes die ends their connections, and a host without power says nothing to anybody.
   */
  powerOff(reason: string): Promise<void> {
    return this.inTurn(async () => {
      if (this.state.power !== 'on') return;
      const { running } = this.state;
      await silence(this.plan.name);
      this.ending = reason;
      signalIfThere(running.pid, 'SIGKILL');
      await running.gone;
      for (const disk of this.disks) await disk.drop();
      this.ending = undefined;
      this.state = { power: 'off', reason, since: new Date() };
      await unplug(this.plan.name);
    });
  }

  /** Power off because the cluster wants it; it may be off already, as the cluster cannot know. */
  async fence(): Promise<void> {
    await this.powerOff('fenced');
    this.fenced = true;
  }

  /** A cut cable stays cut over kill and start. */
  setCable(cable: HostStatus['cable']): Promise<void> {
    return this.inTurn(async () => {
      if (this.state.power === 'on') await setPort(this.plan.name, cable === 'plugged');
      this.cable = cable;
    });
  }

  private ended(running: Running, how: string): void {
    if (this.state.power !== 'on' || this.state.running !== running) return;
    this.state = { power: 'off', reason: this.ending ?? `its init ended: ${how}`, since: new Date() };
  }

  /** One change at a time: a host that is being started is switched off after it, not beside it. */
  private inTurn(change: () => Promise<void>): Promise<void> {
    const turn = this.queue.then(change);
    this.queue = turn.catch(() => undefined);
    return turn;
  }

  private async boot(): Promise<Running> {
    for (const disk of this.disks) await disk.mount();
    const child = this.spawnInit();
    const gone = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(signal ?? `status ${code ?? 'unknown'}`));
    });
    const timer = setTimeout(() => killGroup(child, 'SIGKILL'), bootDeadlineMs);
    try {
      const lines = createInterface(child.stdio[3] as Readable);
      const pid = Number(/^pid (\d+)$/.exec(await nextLine(lines, gone))?.[1]);
      await plugIn(this.plan.name, pid, this.cable === 'plugged');
      child.stdin?.end('plugged\n');
      await nextLine(lines, gone);
      return { pid, gone };
    } catch (error) {
      killGroup(child, 'SIGKILL');
      await gone;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  private spawnInit(): ChildProcess {
    const { config, plan } = this;
    const { name, address, kind } = plan;
    const members = config.hosts.filter((host) => host.kind === 'postgres');
    const log = openSync(join(config.logs, `${name}.log`), 'a');
    try {
      return spawn(
        'unshare',
        [
          ...[
            '--net',
            '--pid',
            '--fork',
            '--kill-child',
            '--mount',
            '--uts',
            '--ipc',
            '--propagation',
            'private',
          ],
          ...['sh', script('host-init.sh'), this.root, dirname(config.powerSocket)],
          ...[config.repository, config.node, kind === 'postgres' ? config.seed : '', address],
          ...[`NODE_KIND=${kind}`, `NODE_NAME=${name}`, `NODE_ADDRESS=${address}`],
          `CLUSTER_MEMBERS=${members.map((member) => `${member.name}=${member.address}`).join(' ')}`,
          ...[`NODE_AGENT=${config.agent}`, `NODE_FENCING=${config.fencing}`],
          'POWER_SOCKET=/opt/power/socket',
          `/opt/pgcm/${config.start}`,
        ],
        { detached: true, stdio: ['pipe', log, log, 'pipe'], env: toolEnvironment() },
      );
    } finally {
      closeSync(log);
    }
  }
}

/** @throws when the host ends before it says something; its log tells why */
async function nextLine(lines: Interface, gone: Promise<string>): Promise<string> {
  const line = new Promise<string>((resolve) => lines.once('line', resolve));
  const failed = gone.then((how) => {
    throw new Error(`its init ended (${how}) before the start script; see its log`);
  });
  return Promise.race([line, failed]);
}
