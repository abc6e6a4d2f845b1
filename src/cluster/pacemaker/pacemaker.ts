import { parseAddress, type Address } from '../../domain/address.js';
import type { ClusterManager, Topology } from '../../domain/cluster.js';
import { describeError, PgcmError } from '../../domain/errors.js';
import type { Milliseconds } from '../../domain/time.js';
import { monotonic } from '../../runtime/clock.js';
import { execOk, exec } from '../../runtime/exec.js';
import { parseCrmMon, type CrmMonLook } from './crm-mon.js';

export interface PacemakerOptions {
  /** The id of the promotable clone that manages PostgreSQL. */
  readonly resource: string;
  /** How long one look may take (pacemaker-get-timeout). */
  readonly getTimeout: Milliseconds;
  /** How long a change may take to be accepted. */
  readonly changeTimeout: Milliseconds;
}

/**
 * The last resort if nobody takes the constraint back: Pacemaker keeps the end as a wall-clock date
 * (crm_resource --lifetime, ISO 8601 duration).
 */
const CONSTRAINT_LIFETIME = 'PT10M';

/** An address of a member changes rarely, and corosync-cfgtool costs a process. */
const ADDRESS_TTL: Milliseconds = 60_000;

/** Exit status of Pacemaker's tools for "no such thing" (CRM_EX_NOSUCH in crm/common/results.h). */
const NO_SUCH = 105;

/** Pacemaker through its own command line tools: the local CIB, so a look needs no other node. */
export class Pacemaker implements ClusterManager {
  readonly #options: PacemakerOptions;
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
    this.#options = options;
  }

  async localName(signal: AbortSignal): Promise<string> {
    const { stdout } = await this.#get('crm_node', ['--name'], signal);
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
    const { stdout } = await this.#get('crm_mon', ['-1', '--output-as=xml'], signal);
    const look = parseCrmMon(stdout, this.#options.resource);
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
    const { stdout } = await this.#get('corosync-cfgtool', ['-a', id], signal);
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

  async move(member: string, _switchover: string, signal: AbortSignal): Promise<void> {
    const { resource } = this.#options;
    const args = [
      '--resource',
      resource,
      '--move',
      '--promoted',
      '--node',
      member,
      '--lifetime',
      CONSTRAINT_LIFETIME,
    ];
    await this.#change('crm_resource', args, signal);
  }

  /**
   * crm_resource --clear would take an operator's own bans as well, so exactly the one constraint is
   * deleted that --move writes (its id: cli_resource_prefer in Pacemaker's tools/crm_resource_ban.c).
   */
  inspect = (): Promise<never> => notYet();
  moves = (): Promise<never> => notYet();
  readmit = (): Promise<never> => notYet();
  readmitCommands = (): Promise<never> => notYet();
  dataDirectory = (): Promise<never> => notYet();

  async cancelMove(_switchover: string | undefined, signal: AbortSignal): Promise<readonly string[]> {
    if (!(await this.#hasMove(signal))) return [];
    await this.#change(
      'cibadmin',
      ['--delete', '--xml-text', `<rsc_location id="${this.#constraintId}"/>`],
      signal,
    );
    if (await this.#hasMove(signal)) {
      throw new PgcmError(
        'conflict',
        `cibadmin deleted ${this.#constraintId}, yet it is there: somebody moved again`,
      );
    }
    return ['unnamed'];
  }

  get #constraintId(): string {
    return `cli-prefer-${this.#options.resource}`;
  }

  async #hasMove(signal: AbortSignal): Promise<boolean> {
    const args = ['--query', '--xpath', `//constraints/rsc_location[@id='${this.#constraintId}']`];
    const { status, stderr } = await exec('cibadmin', args, { signal, timeout: this.#options.changeTimeout });
    if (status === 0) return true;
    if (status === NO_SUCH) return false;
    throw new PgcmError('unavailable', `cibadmin ${args.join(' ')}: exit status ${status}: ${stderr.trim()}`);
  }

  #get(file: string, args: readonly string[], signal: AbortSignal): ReturnType<typeof execOk> {
    return execOk(file, args, { signal, timeout: this.#options.getTimeout });
  }

  #change(file: string, args: readonly string[], signal: AbortSignal): ReturnType<typeof execOk> {
    return execOk(file, args, { signal, timeout: this.#options.changeTimeout });
  }
}

function notYet(): Promise<never> {
  return Promise.reject(new PgcmError('unsupported', 'not there yet'));
}
