import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describeError, hasCode, PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { compileTemplate, type Template } from './template.js';

export interface TemplateFileOptions {
  readonly path: string;
  /** For reading it. */
  readonly timeout: Milliseconds;
  /** The option that names it, for messages. */
  readonly option: string;
  /** @throws PgcmError `bad-template` when it is not fit for what is made from it */
  readonly vet?: (template: Template) => void;
}

/**
 * A template on the disk. It is read again before each use, so that a change of it takes effect; one that
 * has become unusable is replaced by the last usable one: a typing mistake in it must not keep
 * clients at a primary that is gone.
 */
export class TemplateFile {
  readonly #options: TemplateFileOptions;
  #source: Source;

  private constructor(options: TemplateFileOptions, source: Source) {
    this.#options = options;
    this.#source = source;
  }

  /** @throws PgcmError `bad-template` */
  static async open(options: TemplateFileOptions, signal: AbortSignal): Promise<TemplateFile> {
    return new TemplateFile(options, await readTemplate(options, signal));
  }

  get template(): Template {
    return this.#source.compiled;
  }

  /** @returns why the file, as it is on the disk now, cannot be used; undefined when it is */
  async refresh(signal: AbortSignal): Promise<string | undefined> {
    // Clients wait: a file that is as it was is not read again.
    const stamp = stampOf(this.#options.path);
    if (stamp !== undefined && stamp === this.#source.stamp) return undefined;
    try {
      this.#source = await readTemplate(this.#options, signal, this.#source);
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
}

/** @param known is given back when the file has not changed: compiling would delay a switchover */
async function readTemplate(
  { path, timeout, option, vet }: TemplateFileOptions,
  signal: AbortSignal,
  known?: Source,
): Promise<Source> {
  const stamp = stampOf(path);
  const text = await runWithDeadline(`reading ${path}`, timeout, signal, async (within) => {
    try {
      return await readFile(path, { encoding: 'utf8', signal: within });
    } catch (cause) {
      const why = `the template cannot be read: ${describeError(cause)}; see ${option}`;
      throw new PgcmError('bad-template', `${path}: ${why}`, { cause });
    }
  });
  if (known?.text === text) return { ...known, stamp };
  const compiled = compileTemplate(text, path);
  vet?.(compiled);
  return { stamp, text, compiled };
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
