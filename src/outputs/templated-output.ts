import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describeError, hasCode, PgcmError } from '../domain/errors.js';
import type { AppliedOutput, Output, OutputSettings } from '../domain/output.js';
import type { RouteView } from '../domain/route-view.js';
import type { Milliseconds } from '../domain/time.js';
import { writeConfigFile } from '../rendering/replace-file.js';
import { TemplateFile } from '../rendering/template-file.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { execOk } from '../runtime/exec.js';
import { ownerOf, type Owner } from './owner.js';

/** What stands for the path in the arguments of check and reload. */
export const FILE_PLACEHOLDER = '{file}';

/** A file made from a template, for a program that is told by a command. */
export class TemplatedOutput implements Output {
  readonly name: string;
  readonly #options: OutputSettings;
  /** Is there while the program was not told of the file: also over a restart of ours. */
  readonly #marker: string;
  #template: TemplateFile | undefined;
  #owner: Owner | undefined;
  /** What the file holds, the program having been told. */
  #done: string | undefined;

  constructor(options: OutputSettings) {
    this.name = options.name;
    this.#options = options;
    this.#marker = join(dirname(options.file), `.${basename(options.file)}.pgcm-untold`);
  }

  isCurrent(view: RouteView): boolean {
    return this.#done !== undefined && this.#done === this.#template?.template.render(view);
  }

  async apply(view: RouteView, signal: AbortSignal): Promise<AppliedOutput> {
    const { file, owner, mode, timeout } = this.#options;
    const { template, staleTemplate } = await this.#readTemplate(signal);
    const text = template.render(view);
    // Whatever becomes of this attempt, what was done before may not be what the file holds then.
    this.#done = undefined;
    const attributes = { ...(this.#owner ??= await ownerOf(owner, timeout, signal)), mode };
    // Twice: for the disk, and for the check.
    const outcome = await runWithDeadline(`writing ${file}`, 2 * timeout, signal, (within) =>
      writeConfigFile(file, text, within, {
        attributes,
        beforeRename: (temporary) => this.#admit(temporary, within),
      }),
    );
    const reloaded = await this.#tell(outcome, signal);
    this.#done = text;
    return { outcome, reloaded, staleTemplate };
  }

  async #readTemplate(
    signal: AbortSignal,
  ): Promise<Pick<TemplateFile, 'template'> & Pick<AppliedOutput, 'staleTemplate'>> {
    const { template: path, timeout, name } = this.#options;
    if (this.#template !== undefined) {
      const staleTemplate = await this.#template.refresh(signal);
      return { template: this.#template.template, staleTemplate };
    }
    const option = `the template of output ${name}`;
    this.#template = await TemplateFile.open({ path, timeout, option }, signal);
    return { template: this.#template.template, staleTemplate: undefined };
  }

  /** The new file, before it takes the old one's place. */
  async #admit(temporary: string, signal: AbortSignal): Promise<void> {
    const { check, timeout, file, reload } = this.#options;
    try {
      await runCommand(check, temporary, timeout, signal);
    } catch (cause) {
      if (!hasCode(cause, 'unavailable')) throw cause;
      const why = describeError(cause).replaceAll(temporary, file);
      // Not as a cause: it says the same of the temporary file, which is nobody's business.
      throw new PgcmError('refused', `the check refuses what would become ${file}: ${why}; it is as it was`);
    }
    if (reload.length > 0) await writeFile(this.#marker, '');
  }

  async #tell(outcome: 'written' | 'unchanged', signal: AbortSignal): Promise<boolean> {
    const { reload, file, timeout } = this.#options;
    if (reload.length === 0 || (outcome === 'unchanged' && !existsSync(this.#marker))) return false;
    await runCommand(reload, file, timeout, signal);
    await rm(this.#marker, { force: true });
    return true;
  }
}

async function runCommand(
  command: readonly string[],
  file: string,
  timeout: Milliseconds,
  signal: AbortSignal,
): Promise<void> {
  const [program, ...args] = command.map((part) => part.replaceAll(FILE_PLACEHOLDER, file));
  if (program !== undefined) await execOk(program, args, { timeout, signal });
}
