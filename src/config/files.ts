import { hasCode, PgcmError } from '../domain/errors.js';
import type { CommandName } from './command-names.js';
import { declaration, isOptionName, optionNames, type OptionName } from './options.js';
import { origins, type Origin } from './sources.js';
import { isWorldReadable, readTextFile } from './text-file.js';

/** A configuration that is being put together. */
export interface Draft {
  readonly values: Record<string, unknown>;
  readonly origins: ReadonlyMap<OptionName, Origin>;
}

export interface FileFindings {
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Puts the passwords from `*-password-file` in their places and looks at the PEM files, as far as the
 * command uses them: what cannot be read is said at the start, together with everything else.
 */
export async function useFiles(
  draft: Draft,
  command: CommandName,
  signal: AbortSignal,
): Promise<FileFindings> {
  const problems: string[] = [];
  const warnings: string[] = [];
  for (const name of optionNames.filter((candidate) => declaration(candidate).commands.includes(command))) {
    const file = draft.values[name];
    if (typeof file !== 'string' || file === '') continue;
    const { secretFor, pem } = declaration(name);
    try {
      if (pem !== undefined) await checkPem(file, pem, signal);
      if (secretFor !== undefined && isOptionName(secretFor) && winsOver(draft, name, secretFor)) {
        draft.values[secretFor] = await readSecret(file, signal);
        if (await isWorldReadable(file))
          warnings.push(`${name}: every user of this machine can read ${file}`);
      }
    } catch (error) {
      if (!hasCode(error, 'usage')) throw error;
      problems.push(`${name}: ${error.message}`);
    }
  }
  return { problems, warnings };
}

/** A password and its file may come from different sources: the stronger one wins. */
function winsOver({ values, origins: from }: Draft, file: OptionName, direct: OptionName): boolean {
  return values[direct] === '' || rank(from.get(file)) > rank(from.get(direct));
}

export function rank(origin: Origin | undefined): number {
  return origins.indexOf(origin ?? 'default');
}

async function readSecret(path: string, signal: AbortSignal): Promise<string> {
  const [line = ''] = (await readTextFile(path, signal)).split(/\r?\n/);
  if (line === '') throw new PgcmError('usage', `${path}: its first line is empty`);
  return line;
}

async function checkPem(path: string, pem: string, signal: AbortSignal): Promise<void> {
  const text = await readTextFile(path, signal);
  const wanted =
    pem === 'certificate' ? /-----BEGIN (TRUSTED )?CERTIFICATE-----/ : /-----BEGIN [A-Z ]*PRIVATE KEY-----/;
  if (!wanted.test(text)) throw new PgcmError('usage', `${path}: holds no ${pem} in PEM`);
}
