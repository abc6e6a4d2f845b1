import { parseAddress, type Address } from '../../domain/address.js';
import type { ClusterManager, Topology } from '../../domain/cluster.js';
import { describeError, PgcmError } from '../../domain/errors.js';
import type { Milliseconds } from '../../domain/time.js';
import { monotonic } from '../../runtime/clock.js';
import { parseCrmMon, type CrmMonLook } from './crm-mon.js';
import { Moves } from './moves.js';
import { PacemakerTools, type ToolOptions } from './tools.js';

export interface PacemakerOptions extends ToolOptions {
  /** The id of the promotable clone that manages PostgreSQL. */
  readonly resource: string;
}

/** An address of a member changes rarely, and corosync-cfgtool costs a process. */
const ADDRESS_TTL: Milliseconds = 60_000;

/** Pacemaker through its own command line tools: the local CIB, so a look needs no other node. */
export class Pacemaker implements ClusterManager {
  readonly #resource: string;
  readonly #tools: PacemakerTools;
  readonly #moves: Moves;
  /** Of the last look. */
  #nodeIds: ReadonlyMap<string, string> = new Map();
  #addresses = new Map<string, { readonly address: Address; readonly readAt: Milliseconds }>();

  constructor(options: PacemakerOptions) {
    if (!/^[A-Za-z_][\w.-]*$/.test(options.resource)) {
      throw new PgcmError(
        'usage',
        `pacemaker-resource: ${JSON.stringify(options.resource)} is not a resource's id`,
      );
    }
    this.#resource = options.resource;
    this.#tools = new PacemakerTools(options);
    this.#moves = new Moves(this.#tools, options.resource);
  }

  async localName(signal: AbortSignal): Promise<string> {
    const stdout = await this.#tools.get('crm_node', ['--name'], signal);
    const name = stdout.trim();
    if (name === '' || /\s/.test(name)) {
      throw new PgcmError('invalid-answer', `crm_node --name printed ${JSON.stringify(stdout.slice(0, 80))}`);
    }
    return name;
  }

  look(signal: AbortSignal): Promise<Topology> {
    return this.#look(signal);
  }

  async #look(signal: AbortSignal): Promise<CrmMonLook> {
    const stdout = await this.#tools.get('crm_mon', ['-1', '--output-as=xml'], signal);
    const look = parseCrmMon(stdout, this.#resource);
    this.#nodeIds = look.nodeIds;
    return look;
  }

  async addressOf(member: string, signal: AbortSignal): Promise<Address> {
    const known = this.#addresses.get(member);
    if (known !== undefined && monotonic() - known.readAt < ADDRESS_TTL) return known.address;
    const nodeIds = this.#nodeIds.has(member) ? this.#nodeIds : (await this.#look(signal)).nodeIds;
    const id = nodeIds.get(member);
    if (id === undefined) {
      const there = [...nodeIds.keys()].join(', ');
      throw new PgcmError('invalid-answer', `Pacemaker has no node ${member} (it has ${there})`);
    }
    const address = await this.#addressOfId(id, member, signal);
    this.#addresses.set(member, { address, readAt: monotonic() });
    return address;
  }

  /** corosync-cfgtool -a prints the addresses of a node's links, separated by blanks; link 0 is the first. */
  async #addressOfId(id: string, member: string, signal: AbortSignal): Promise<Address> {
    const stdout = await this.#tools.get('corosync-cfgtool', ['-a', id], signal);
    const [first = ''] = stdout.trim().split(/\s+/);
    try {
      return parseAddress(first);
    } catch (cause) {
      throw new PgcmError(
        'invalid-answer',
        `corosync-cfgtool -a ${id} (${member}): ${describeError(cause)}`,
        {
          cause,
        },
      );
    }
  }

  move(member: string, switchover: string, signal: AbortSignal): Promise<void> {
    return this.#moves.ask(member, switchover, signal);
  }

  cancelMove(switchover: string | undefined, signal: AbortSignal): Promise<readonly string[]> {
    return this.#moves.cancel(switchover, signal);
  }

  moves(signal: AbortSignal): Promise<readonly string[]> {
    return this.#moves.list(signal);
  }

  inspect = (): Promise<never> => notYet();
  readmit = (): Promise<never> => notYet();
  readmitCommands = (): Promise<never> => notYet();
  dataDirectory = (): Promise<never> => notYet();
}

function notYet(): Promise<never> {
  return Promise.reject(new PgcmError('unsupported', 'not there yet'));
}
