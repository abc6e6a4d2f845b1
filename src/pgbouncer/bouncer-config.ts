import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Address } from '../domain/address.js';
import type { PauseScope } from '../domain/bouncer.js';
import type { BouncerConfig, WrittenConfig } from '../domain/bouncer-config.js';
import { describeError, hasCode, PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { writeConfigFile } from './config-file.js';
import { leadsTo } from './ini.js';
import { compileTemplate, type Template } from './template.js';

export interface BouncerConfigOptions {
  /** pgbouncer-config-file */
  readonly configFile: string;
  /** pgbouncer-config-template-file */
  readonly templateFile: string;
  /** For reading the template, and for writing the file. */
  readonly timeout: Milliseconds;
}

/**
 * The config file made from the template file. The template is read again for each write, so that a
 * change of it takes effect with the next route; one that has become unusable is replaced by the last
 * usable one: a typing mistake in it must not keep clients at a primary that is gone.
 */
export class TemplatedConfig implements BouncerConfig {
  readonly name: string;
  readonly #options: BouncerConfigOptions;
  #template: Source;
  /** Two writes at once could end in either order. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: BouncerConfigOptions, template: Source) {
    this.name = options.configFile;
    this.#options = options;
    this.#template = template;
  }

  /** @throws PgcmError `bad-template`: with such a template the daemon does not start */
  static async open(options: BouncerConfigOptions, signal: AbortSignal): Promise<TemplatedConfig> {
    return new TemplatedConfig(options, await readTemplate(options, signal));
  }

  get follows(): PauseScope {
    return this.#template.follows;
  }

  write(address: Address, signal: AbortSignal): Promise<WrittenConfig> {
    const what = `writing ${this.name}`;
    const write = this.#turn.then(() => this.#write(address, what, signal));
    this.#turn = write.catch(() => undefined);
    return write;
  }

  async #write(address: Address, what: string, signal: AbortSignal): Promise<WrittenConfig> {
    const staleTemplate = await this.#refreshTemplate(signal);
    const text = this.#template.compiled.render({ host: address });
    const outcome = await runWithDeadline(what, this.#options.timeout, signal, (within) =>
      writeConfigFile(this.name, text, within),
    );
    return { outcome, leads: leadsTo(text, address), staleTemplate };
  }

  async #refreshTemplate(signal: AbortSignal): Promise<string | undefined> {
    // Clients wait: a file that is as it was is not read again.
    const stamp = stampOf(this.#options.templateFile);
    if (stamp !== undefined && stamp === this.#template.stamp) return undefined;
    try {
      this.#template = await readTemplate(this.#options, signal, this.#template);
      return undefined;
    } catch (error) {
      if (hasCode(error, 'aborted')) throw error;
      return describeError(error);
    }
  }
}

interface Source {
  /** Of the file, before it was read. */
  readonly stamp: string | undefined;
  readonly text: string;
  readonly compiled: Template;
  readonly follows: PauseScope;
}

/** @param known is given back when the file has not changed: compiling would delay a switchover */
async function readTemplate(
  options: BouncerConfigOptions,
  signal: AbortSignal,
  known?: Source,
): Promise<Source> {
  const { templateFile, timeout } = options;
  const stamp = stampOf(templateFile);
  const text = await runWithDeadline(`reading ${templateFile}`, timeout, signal, async (within) => {
    try {
      return await readFile(templateFile, { encoding: 'utf8', signal: within });
    } catch (cause) {
      const why =
        `the template cannot be read: ${describeError(cause)}; ` + 'see pgbouncer-config-template-file';
      throw new PgcmError('bad-template', `${templateFile}: ${why}`, { cause });
    }
  });
  if (known?.text === text) return { ...known, stamp };
  const compiled = compileTemplate(text, templateFile);
  return { stamp, text, compiled, follows: following(compiled) };
}

/** Changes with every change of the file; undefined when it is not there. */
function stampOf(path: string): string | undefined {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return [ino, size, mtimeNs, ctimeNs].join(' ');
  } catch {
    // Reading it says what is wrong.
    return undefined;
  }
}

/** For finding out who leads to the primary, whoever that is: reserved for documentation (RFC 5737). */
const ANY = '192.0.2.1';

function following(template: Template): PauseScope {
  const { databases, otherwise } = leadsTo(template.render({ host: ANY }), ANY);
  return otherwise !== undefined || databases.size === 0 ? 'all' : [...databases.keys()];
}
