import { access, rm } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { describeError, PgcmError } from '../../domain/errors.js';
import type { Milliseconds } from '../../domain/time.js';
import { runWithDeadline } from '../../runtime/deadline.js';
import { primitiveOf } from './crm-mon.js';
import type { CrmMon, MonInstance } from './crm-mon-xml.js';
import type { PacemakerTools } from './tools.js';

/** The agent that leaves a file on a demoted primary, and does not start there while it is. */
const LOCKING_AGENT = 'ocf:heartbeat:pgsql';
const LOCK_FILE = 'PGSQL.lock';
/** Its default for the parameter tmpdir. */
const DEFAULT_FOLDER = '/var/lib/pgsql/tmp';

const REMOVE_WITHIN: Milliseconds = 5_000;

/** The agent that runs PostgreSQL, and what it keeps on its node. */
export class Agent {
  readonly #tools: Pick<PacemakerTools, 'getOptional' | 'change'>;
  readonly #clone: string;

  constructor(tools: Pick<PacemakerTools, 'getOptional' | 'change'>, clone: string) {
    this.#tools = tools;
    this.#clone = clone;
  }

  /** pgdata is what ocf:heartbeat:pgsql and ocf:heartbeat:pgsqlms both call it. */
  async dataDirectory(mon: CrmMon, signal: AbortSignal): Promise<string | undefined> {
    const path = await this.#parameter(mon, 'pgdata', signal);
    return path !== undefined && isAbsolute(path) ? path : undefined;
  }

  /** The file that keeps a demoted primary down; undefined where the agent has none. */
  async lockFile(mon: CrmMon, signal: AbortSignal): Promise<string | undefined> {
    if (postgresOf(mon)?.['@resource_agent'] !== LOCKING_AGENT) return undefined;
    const folder = (await this.#parameter(mon, 'tmpdir', signal)) ?? DEFAULT_FOLDER;
    if (isAbsolute(folder)) return join(folder, LOCK_FILE);
    throw new PgcmError('invalid-answer', `the parameter tmpdir of ${LOCKING_AGENT} is no path: ${folder}`);
  }

  /** Whether that file is there: PostgreSQL does not run as a standby then. */
  async keepsDown(mon: CrmMon, signal: AbortSignal): Promise<boolean> {
    const file = await this.lockFile(mon, signal);
    if (file === undefined) return false;
    return runWithDeadline(`looking for ${file}`, REMOVE_WITHIN, signal, () =>
      access(file).then(
        () => true,
        // In a folder that cannot be searched it may be; removing it says why it cannot be seen.
        (error: unknown) => !(error instanceof Error && 'code' in error && error.code === 'ENOENT'),
      ),
    );
  }

  /** Removes the file, and has Pacemaker forget what failed on this node: it starts PostgreSQL then. */
  async readmit(mon: CrmMon, node: string, signal: AbortSignal): Promise<void> {
    const file = await this.lockFile(mon, signal);
    if (file !== undefined) await this.#remove(file, signal);
    await this.#tools.change('crm_resource', this.#cleanup(node), signal);
  }

  async #remove(file: string, signal: AbortSignal): Promise<void> {
    try {
      await runWithDeadline(`removing ${file}`, REMOVE_WITHIN, signal, () => rm(file, { force: true }));
    } catch (cause) {
      throw new PgcmError(
        'unavailable',
        `${file}, which keeps the old primary down, cannot be removed (${describeError(cause)}): remove it by hand, as root`,
        { cause, retryable: false },
      );
    }
  }

  /** The same by hand, on that node. */
  async commands(mon: CrmMon, node: string, signal: AbortSignal): Promise<readonly string[]> {
    const file = await this.lockFile(mon, signal);
    const remove = file === undefined ? [] : [`rm -f ${file}`];
    return [...remove, `crm_resource ${this.#cleanup(node).join(' ')}`];
  }

  #cleanup(node: string): readonly string[] {
    return ['--cleanup', '--resource', this.#clone, '--node', node];
  }

  /** Of the primitive: crm_resource does not find it under the clone's name. One that is not set is nothing, or "no such". */
  async #parameter(mon: CrmMon, name: string, signal: AbortSignal): Promise<string | undefined> {
    const instance = postgresOf(mon);
    if (instance === undefined) return undefined;
    const args = ['--resource', primitiveOf(instance), '--get-parameter', name];
    const value = (await this.#tools.getOptional('crm_resource', args, signal))?.trim();
    return value === '' ? undefined : value;
  }
}

/** The clone may be of a group, in which an address or a file system stands beside PostgreSQL. */
function postgresOf(mon: CrmMon): MonInstance | undefined {
  const known = mon.instances.find((i) => /:pgsql(ms)?$/.test(i['@resource_agent']));
  return known ?? mon.instances[0];
}
