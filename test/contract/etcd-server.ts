import assert from 'node:assert/strict';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '../support/eventually.js';

/** Files in PEM, for the members and for etcdctl. */
export interface ServerTls {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

export interface EtcdServersOptions {
  readonly members?: 1 | 3;
  /** Clients then need a certificate of this CA. */
  readonly tls?: ServerTls;
}

const run = promisify(execFile);

/** Real etcd members on free loopback ports, with their data in a temporary folder, and fast elections. */
export class EtcdServers {
  readonly members: readonly EtcdMember[];
  readonly #folder: string;
  readonly #tls: ServerTls | undefined;

  /** Starts the members and waits until they answer. Give `stop` to the test's `after`. */
  static async start({ members: count = 1, tls }: EtcdServersOptions = {}): Promise<EtcdServers> {
    const folder = await mkdtemp(join(tmpdir(), 'pgcm-etcd-'));
    const ports = await freePorts(count * 2);
    const scheme = tls === undefined ? 'http' : 'https';
    const places = Array.from({ length: count }, (_, i) => ({
      name: `m${i + 1}`,
      client: `${scheme}://127.0.0.1:${ports[i * 2]}`,
      peer: `http://127.0.0.1:${ports[i * 2 + 1]}`,
    }));
    const cluster = places.map(({ name, peer }) => `${name}=${peer}`).join(',');
    const servers = new EtcdServers(
      places.map((place) => new EtcdMember(place, memberArguments(place, cluster, folder, tls))),
      folder,
      tls,
    );
    try {
      await servers.startAll();
    } catch (error) {
      await servers.stop();
      throw error;
    }
    return servers;
  }

  private constructor(members: readonly EtcdMember[], folder: string, tls: ServerTls | undefined) {
    this.members = members;
    this.#folder = folder;
    this.#tls = tls;
  }

  get endpoints(): readonly string[] {
    return this.members.map(({ url }) => url);
  }

  member(number: number): EtcdMember {
    const member = this.members[number];
    assert.ok(member, `there is no member ${number}`);
    return member;
  }

  /** Starts every member that does not run, and waits for a linearizable answer. */
  async startAll(): Promise<void> {
    for (const member of this.members) member.start();
    await eventually(() => this.answers(), { limit: 60_000, every: 50, what: 'etcd answers' });
  }

  async killAll(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
  }

  /** Whether a majority serves a linearizable read now. */
  async answers(): Promise<boolean> {
    try {
      await this.etcdctl(['--command-timeout=1s', 'get', '/is-etcd-there']);
      return true;
    } catch (error) {
      // With authentication on, a refusal is an answer.
      return /user name is empty|permission denied/.test(String(error));
    }
  }

  /** Runs etcdctl against all members; returns what it printed. */
  async etcdctl(args: readonly string[], options: { user?: string; input?: string } = {}): Promise<string> {
    const tls = this.#tls;
    const flags = [
      `--endpoints=${this.endpoints.join(',')}`,
      '--dial-timeout=2s',
      ...(tls ? [`--cacert=${tls.ca}`, `--cert=${tls.clientCert}`, `--key=${tls.clientKey}`] : []),
      ...(options.user === undefined ? [] : [`--user=${options.user}`]),
    ];
    const running = run('etcdctl', [...flags, ...args], {
      env: { PATH: process.env['PATH'], ETCDCTL_API: '3' },
      timeout: 30_000,
    });
    // It may end without reading what it is given.
    running.child.stdin?.on('error', () => undefined).end(options.input ?? '');
    return (await running).stdout;
  }

  /** The member that leads. */
  async leader(): Promise<EtcdMember> {
    const status = JSON.parse(await this.etcdctl(['endpoint', 'status', '-w', 'json'])) as {
      Endpoint: string;
      Status: { leader: bigint; header: { member_id: bigint } };
    }[];
    // The ids are larger than a double holds, but near ones would have to differ in their last digits only.
    const url = status.find(({ Status }) => Status.leader === Status.header.member_id)?.Endpoint;
    const leader = this.members.find((member) => member.url === url);
    assert.ok(leader, 'no member leads');
    return leader;
  }

  /** One that does not lead. */
  async follower(): Promise<EtcdMember> {
    const leader = await this.leader();
    const follower = this.members.find((member) => member !== leader);
    assert.ok(follower, 'there is no other member');
    return follower;
  }

  /** Ends all members and removes their data. */
  async stop(): Promise<void> {
    await this.killAll();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

interface Place {
  readonly name: string;
  readonly client: string;
  readonly peer: string;
}

export class EtcdMember {
  readonly url: string;
  readonly #args: readonly string[];
  #process: ChildProcess | undefined;
  #output = '';

  constructor(place: Place, args: readonly string[]) {
    this.url = place.client;
    this.#args = args;
  }

  /** What it logged since its start; for a test that fails. */
  get output(): string {
    return this.#output;
  }

  start(): void {
    if (this.#process !== undefined) return;
    this.#output = '';
    const child = spawn('etcd', this.#args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream
        .setEncoding('utf8')
        .on('data', (text: string) => (this.#output = (this.#output + text).slice(-20_000)));
    }
    running.add(child);
    child.on('error', (error) => (this.#output += `etcd cannot be started: ${error.message}`));
    child.on('exit', () => running.delete(child));
  }

  /** SIGKILL, and waits for its end. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM, and waits for its end. */
  async terminate(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** SIGSTOP: its connections stay open and nothing is answered. */
  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    this.#process = undefined;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGCONT');
    child.kill(signal);
    await gone;
  }
}

function memberArguments(
  { name, client, peer }: Place,
  cluster: string,
  folder: string,
  tls: ServerTls | undefined,
): readonly string[] {
  return [
    `--name=${name}`,
    `--data-dir=${join(folder, name)}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=${cluster}`,
    `--initial-cluster-token=${folder}`,
    '--heartbeat-interval=50',
    '--election-timeout=500',
    '--logger=zap',
    '--log-level=warn',
    ...(tls === undefined
      ? []
      : [
          `--cert-file=${tls.serverCert}`,
          `--key-file=${tls.serverKey}`,
          `--trusted-ca-file=${tls.ca}`,
          '--client-cert-auth',
        ]),
  ];
}

/** Members must not outlive a test run that ends early. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Ports that were free a moment ago, all different. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
