import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { eventually } from '../support/eventually.js';
import { StandIns } from './agent-stand-ins.js';
import { serverIdentity } from './server-process.js';

const AGENT = fileURLToPath(new URL('../../../agent/postgresql', import.meta.url));
const BINARIES = '/usr/lib/postgresql/15/bin';

/** The statuses of resource agents. */
export const OCF = {
  success: 0,
  generic: 1,
  unimplemented: 3,
  permission: 4,
  installed: 5,
  configured: 6,
  notRunning: 7,
  runningPromoted: 8,
  failedPromoted: 9,
} as const;

export type Action = 'start' | 'stop' | 'promote' | 'demote' | 'monitor' | 'validate-all' | 'meta-data';
export type Parameters = Readonly<Record<string, string>>;

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  /** What crm_mon shows beside a failed action, and everything else that it said. */
  readonly said: string;
}

export interface MemberPlace {
  readonly name: string;
  readonly address: string;
  readonly folder: string;
  readonly port: number;
  /** The same for all members. */
  readonly parameters: Parameters;
}

/** One member of a cluster: its data directory, and the agent on its node. */
export class AgentMember {
  readonly name: string;
  readonly address: string;
  readonly data: string;
  readonly state: string;
  readonly config: string;
  readonly standIns: StandIns;
  /** Changes of the agent's parameters, for all calls from then on. */
  parameters: Parameters = {};
  readonly #place: MemberPlace;

  constructor(place: MemberPlace, template: string) {
    this.name = place.name;
    this.address = place.address;
    this.#place = place;
    this.data = join(place.folder, 'data');
    this.state = join(place.folder, 'state');
    this.config = join(place.folder, 'config', 'postgresql.conf');
    mkdirSync(place.folder);
    for (const name of ['config', 'socket', 'log']) {
      mkdirSync(join(place.folder, name));
      own(join(place.folder, name));
    }
    this.standIns = new StandIns(place.folder);
    execFileSync('cp', ['-a', template, this.data]);
    this.#configure();
  }

  get socket(): string {
    return join(this.#place.folder, 'socket');
  }

  /** What Pacemaker calls it. */
  get instance(): string {
    return `pgsql-${this.#place.port}-${this.name}`;
  }

  get log(): string {
    const file = join(this.#place.folder, 'log', 'postgresql.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** Adds to postgresql.conf, which is outside the data directory. */
  set(name: string, value: string): void {
    appendFileSync(this.config, `${name} = '${value}'\n`);
  }

  /** The environment that Pacemaker would give the agent. */
  environment(parameters: Parameters = {}): NodeJS.ProcessEnv {
    const { folder, port } = this.#place;
    const all: Parameters = {
      CRM_meta_on_node: this.name,
      // A monitor without an interval is a probe: Pacemaker has just been started.
      CRM_meta_interval: '3000',
      pgdata: this.data,
      config: this.config,
      pgport: String(port),
      socketdir: this.socket,
      logfile: join(folder, 'log', 'postgresql.log'),
      statedir: this.state,
      ...this.#place.parameters,
      ...this.parameters,
      ...parameters,
    };
    return {
      PATH: `${this.standIns.path}:${process.env['PATH'] ?? ''}`,
      OCF_ROOT: '/usr/lib/ocf',
      OCF_RESOURCE_INSTANCE: this.instance,
      OCF_RESOURCE_TYPE: 'postgresql',
      AGENT_TEST_FOLDER: folder,
      ...Object.fromEntries(Object.entries(all).map(([name, value]) => [`OCF_RESKEY_${name}`, value])),
    };
  }

  /** The agent, as a process group of its own. */
  begin(
    action: Action,
    parameters: Parameters = {},
  ): { readonly pid: number; readonly done: Promise<Outcome> } {
    const child = spawn('sh', [AGENT, action], {
      env: { ...this.environment(parameters), __OCF_ACTION: action },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    assert.ok(child.pid !== undefined);
    let stdout = '';
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const done = new Promise<Outcome>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`${this.name}: ${action} did not end. It said: ${said}`));
      }, 180_000);
      child.once('error', reject);
      // Also its output has ended: nothing that goes on in the background keeps the caller's pipes.
      child.once('close', (code, signal) => {
        clearTimeout(timer);
        resolve({ status: code ?? (signal === null ? -1 : -2), stdout, said });
      });
    });
    return { pid: child.pid, done };
  }

  run(action: Action, parameters: Parameters = {}): Promise<Outcome> {
    return this.begin(action, parameters).done;
  }

  /** Runs it, and wants that status of it. */
  async expect(action: Action, status: number, parameters: Parameters = {}): Promise<Outcome> {
    const outcome = await this.run(action, parameters);
    assert.equal(
      outcome.status,
      status,
      `${this.name}: ${action} said: ${outcome.said}\n${this.log.slice(-3000)}`,
    );
    return outcome;
  }

  async ok(action: Action, parameters: Parameters = {}): Promise<Outcome> {
    return this.expect(action, OCF.success, parameters);
  }

  async connect(): Promise<Client> {
    const client = new Client({
      host: this.socket,
      port: this.#place.port,
      user: 'postgres',
      database: 'postgres',
      ssl: false,
    });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  /** The first column of the first row, as text. */
  async value(sql: string): Promise<string> {
    const client = await this.connect();
    try {
      const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' });
      return String(rows[0]?.[0]);
    } finally {
      await client.end();
    }
  }

  /** Waits until a question's answer, once it is given one, is that. */
  async gives(sql: string, expected: string, limit = 60_000): Promise<void> {
    let last = '';
    await eventually(
      async () => {
        last = await this.value(sql).catch(String);
        return last === expected;
      },
      { limit, every: 50, what: `${this.name}: ${sql} gives ${expected}` },
    ).catch((error: unknown) => {
      // Of what it says over and over, as long as it finds no primary, nothing is left that matters.
      const log = this.log.replace(
        /^.*(could not connect to|waiting for WAL to become|Is the server running).*\n/gm,
        '',
      );
      throw new Error(`${String(error)}; last: ${last}\n${log.slice(-3000)}`);
    });
  }

  async streams(): Promise<void> {
    await this.gives(`SELECT coalesce((SELECT status FROM pg_stat_wal_receiver), 'no')`, 'streaming');
  }

  /** Whether a row is acknowledged, which one that waits for a standby is not. */
  async commits(): Promise<boolean> {
    const client = await this.connect();
    // statement_timeout does not end the wait of a commit; to cancel it is answered with a warning.
    const cancel = setInterval(() => {
      this.value(`SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`).catch(
        () => undefined,
      );
    }, 1_500);
    const warnings: string[] = [];
    client.on('notice', ({ message }) => warnings.push(message ?? ''));
    try {
      await client.query(`INSERT INTO t VALUES ('${this.name}')`);
      return warnings.length === 0;
    } finally {
      clearInterval(cancel);
      await client.end();
    }
  }

  /** What pg_controldata says of one thing. */
  control(what: string): string {
    const text = execFileSync(join(BINARIES, 'pg_controldata'), ['-D', this.data], {
      encoding: 'utf8',
      env: { LC_ALL: 'C' },
    });
    return new RegExp(`^${what}: *(.*)$`, 'm').exec(text)?.[1] ?? assert.fail(`${what}: ${text}`);
  }

  get postmaster(): number {
    return Number(readFileSync(join(this.data, 'postmaster.pid'), 'utf8').split('\n')[0]);
  }

  /** Every process in the data directory. */
  get processes(): readonly number[] {
    return pidsWhere((pid) => readlinkSync(`/proc/${pid}/cwd`) === this.data);
  }

  /** A process of PostgreSQL by what it shows as its title, for example `checkpointer`. */
  processOf(title: string): number {
    const found = this.processes.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(title));
    return found ?? assert.fail(`${this.name} has no ${title}`);
  }

  /** kill -9 of all of it at once, as a power loss would. */
  async crash(): Promise<void> {
    for (let left = this.processes; left.length > 0; left = this.processes) {
      for (const pid of left) kill(pid);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Every process that the agent has started on this member, and what these have started. */
  get left(): readonly number[] {
    const mark = `AGENT_TEST_FOLDER=${this.#place.folder}\0`;
    // PostgreSQL's processes write their titles where their environment was.
    return pidsWhere(
      (pid) =>
        readlinkSync(`/proc/${pid}/cwd`) === this.data ||
        readFileSync(`/proc/${pid}/environ`, 'utf8').includes(mark),
    );
  }

  /** Ends all of these. */
  async end(): Promise<void> {
    for (let pids = this.left; pids.length > 0; pids = this.left) {
      for (const pid of pids) kill(pid);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    rmSync(`/run/pgcm-agent/${this.instance}`, { recursive: true, force: true });
  }

  #configure(): void {
    const { folder, port, address } = this.#place;
    const access = join(folder, 'config', 'pg_hba.conf');
    writeFileSync(
      access,
      'local all all trust\nhost all all 127.0.0.0/8 trust\nhost replication all 127.0.0.0/8 trust\n',
    );
    own(access);
    writeFileSync(this.config, '');
    own(this.config);
    const settings = {
      listen_addresses: address,
      port: String(port),
      unix_socket_directories: this.socket,
      hba_file: access,
      data_directory: this.data,
      shared_buffers: '16MB',
      max_wal_size: '64MB',
      wal_log_hints: 'on',
      restart_after_crash: 'off',
      wal_sender_timeout: '5s',
      wal_receiver_timeout: '5s',
      wal_receiver_status_interval: '1s',
      wal_retrieve_retry_interval: '200ms',
      max_slot_wal_keep_size: '1GB',
      // What tells this member's own settings from another's.
      cluster_name: this.name,
    };
    for (const [name, value] of Object.entries(settings)) this.set(name, value);
  }
}

function own(path: string): void {
  const identity = serverIdentity();
  if (identity !== undefined) chownSync(path, identity.uid, identity.gid);
}

export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function pidsWhere(matches: (pid: number) => boolean): readonly number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return Number.isInteger(pid) && matches(pid);
      } catch {
        // It ended while it was looked at.
        return false;
      }
    });
}
