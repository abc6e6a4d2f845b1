import { PgcmError } from '../../domain/errors.js';
import type { Milliseconds } from '../../domain/time.js';
import { exec, execOk, type ExecResult } from '../../runtime/exec.js';

/** Exit statuses of Pacemaker's tools (crm_exit_t in crm/common/results.h). */
const NO_SUCH = 105;
const EXISTS = 108;

export interface ToolOptions {
  /** How long a question may take (pacemaker-get-timeout). */
  readonly getTimeout: Milliseconds;
  /** How long a change may take to be accepted. */
  readonly changeTimeout: Milliseconds;
}

/** Pacemaker's command line tools, each call with its deadline. */
export class PacemakerTools {
  readonly #options: ToolOptions;

  constructor(options: ToolOptions) {
    this.#options = options;
  }

  /** What a tool that only asks printed. */
  async get(file: string, args: readonly string[], signal: AbortSignal): Promise<string> {
    const { stdout } = await execOk(file, args, { signal, timeout: this.#options.getTimeout });
    return stdout;
  }

  async change(file: string, args: readonly string[], signal: AbortSignal): Promise<void> {
    await execOk(file, args, { signal, timeout: this.#options.changeTimeout });
  }

  /** Puts a constraint into the CIB; says whether one with its id was there, which stays as it is. */
  async addConstraint(xml: string, signal: AbortSignal): Promise<'added' | 'exists'> {
    const args = ['--create', '--scope', 'constraints', '--xml-text', xml];
    const result = await exec('cibadmin', args, { signal, timeout: this.#options.changeTimeout });
    if (result.status === 0) return 'added';
    if (result.status === EXISTS) return 'exists';
    throw failed('cibadmin --create --scope constraints', result);
  }

  /** The location and other constraints, as XML; undefined when there are none. */
  constraints(signal: AbortSignal): Promise<string | undefined> {
    return this.getOptional('cibadmin', ['--query', '--scope', 'constraints'], signal);
  }

  /** Like get; undefined when the tool says that there is no such thing. */
  async getOptional(file: string, args: readonly string[], signal: AbortSignal): Promise<string | undefined> {
    const result = await exec(file, args, { signal, timeout: this.#options.getTimeout });
    if (result.status === 0) return result.stdout;
    if (result.status === NO_SUCH) return undefined;
    throw failed([file, ...args].join(' '), result);
  }
}

function failed(what: string, { status, stdout, stderr }: ExecResult): PgcmError {
  const said = (stderr.trim() || stdout.trim() || 'it printed nothing').slice(0, 400);
  return new PgcmError('unavailable', `${what}: exit status ${status}: ${said}`);
}
