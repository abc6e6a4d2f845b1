import { parseAddress, type Address } from '../../domain/address.js';
import type { ClusterManager, Topology } from '../../domain/cluster.js';
import { describeError, PgcmError } from '../../domain/errors.js';
import type { ManagerInspection } from '../../domain/inspection.js';
import type { Milliseconds } from '../../domain/time.js';
import { monotonic } from '../../runtime/clock.js';
import { sleep } from '../../runtime/deadline.js';
import { remembered } from '../../runtime/remembered.js';
import { Agent } from './agent.js';
import { settledState } from './controller.js';
import { topologyOf, type CrmMonLook } from './crm-mon.js';
import { readCrmMon, type CrmMon } from './crm-mon-xml.js';
import { Moves, movesAmong } from './moves.js';
import { IDLE, obstaclesOf } from './obstacles.js';
import { PacemakerTools, type ToolOptions } from './tools.js';

export interface PacemakerOptions extends ToolOptions {
  /** The id of the promotable clone that manages PostgreSQL. */
  readonly resource: string;
}

/** An address of a member changes rarely, and corosync-cfgtool costs a process. */
const ADDRESS_TTL: Milliseconds = 60_000;

/** An attribute that an agent sets keeps the controller busy for some milliseconds; a move for seconds. */
const BUSY_FOR_A_MOMENT: Milliseconds = 700;

const LOOK_AGAIN: Milliseconds = 200;

/** How long Pacemaker may go on with a move after the promotion, until a demoted primary is told to be down. */
const SETTLED_WITHIN: Milliseconds = 20_000;

/** Pacemaker through its own command line tools: the local CIB, so a look needs no other node. */
export class Pacemaker implements ClusterManager {
  readonly #resource: string;
  readonly #tools: PacemakerTools;
  readonly #moves: Moves;
  readonly #agent: Agent;
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
    this.#agent = new Agent(this.#tools, options.resource);
  }

  /** It does not change while Corosync runs, so it is asked for once. */
  readonly localName = remembered((signal) => this.#localName(signal));

  async #localName(signal: AbortSignal): Promise<string> {
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
    const look = topologyOf(await this.#mon(signal), this.#resource);
    this.#nodeIds = look.nodeIds;
    return look;
  }

  async #mon(signal: AbortSignal): Promise<CrmMon> {
    return readCrmMon(await this.#tools.get('crm_mon', ['-1', '--output-as=xml'], signal), this.#resource);
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

  async inspect(signal: AbortSignal): Promise<ManagerInspection> {
    const [mon, constraints] = await Promise.all([this.#mon(signal), this.#moves.constraints(signal)]);
    const { current_dc: controller } = mon.summary;
    const topology = topologyOf(mon, this.#resource);
    // Without a controller there is no quorum either, which is what is told then.
    const name = controller['@present'] ? controller['@name'] : undefined;
    const state =
      name === undefined ? IDLE : await settledState(this.#tools, name, BUSY_FOR_A_MOMENT, signal);
    const lockFile = mon.failures.length > 0 ? await this.#agent.lockFile(mon, signal) : undefined;
    const situation = {
      mon,
      constraints,
      resource: this.#resource,
      controller: state,
      lockFile,
      now: Date.now(),
    };
    return { topology, obstacles: obstaclesOf(situation), moves: movesAmong(constraints) };
  }

  /**
   * A demoted primary that the agent keeps down is found by a monitor, whose failure is only recorded some
   * time after the promotion: what is cleaned up before would come back. So this waits until Pacemaker
   * has done what it does, and for no longer than it usually takes.
   */
  async readmit(signal: AbortSignal): Promise<void> {
    const node = await this.localName(signal);
    const limit = monotonic() + SETTLED_WITHIN;
    for (;;) {
      const mon = await this.#settled(limit - monotonic(), signal);
      const role = topologyOf(mon, this.#resource).members.find(({ name }) => name === node)?.role;
      const failed = mon.failures.some((failure) => failure['@node'] === node);
      if (role !== 'stopped' && role !== 'standby') {
        throw new PgcmError(
          'refused',
          `${node} cannot be readmitted: for Pacemaker ${this.#resource} is ${role ?? 'not known'} there, not stopped`,
        );
      }
      if (role === 'stopped' || failed || monotonic() >= limit) return this.#agent.readmit(mon, node, signal);
      // A standby for Pacemaker: it is one, or the next monitor finds it down.
      if (!(await this.#agent.keepsDown(mon, signal))) return;
      await sleep(LOOK_AGAIN, signal);
    }
  }

  async #settled(within: Milliseconds, signal: AbortSignal): Promise<CrmMon> {
    const name = (await this.#mon(signal)).summary.current_dc['@name'];
    if (name !== undefined) await settledState(this.#tools, name, within, signal);
    return this.#mon(signal);
  }

  async readmitCommands(member: string, signal: AbortSignal): Promise<readonly string[]> {
    return this.#agent.commands(await this.#mon(signal), member, signal);
  }

  async dataDirectory(signal: AbortSignal): Promise<string | undefined> {
    return this.#agent.dataDirectory(await this.#mon(signal), signal);
  }
}
