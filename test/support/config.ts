import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { loadConfig, UsageError, type Loaded, type LoadRequest } from '../../src/config/load.js';
import type { OptionName } from '../../src/config/options.js';

type Given = Partial<Omit<LoadRequest, 'flags'>> & {
  readonly flags?: Partial<Record<OptionName, string | readonly string[]>>;
  /** The text of a TOML file that is written and named by a flag. */
  readonly toml?: string;
};

const folder = mkdtempSync(join(tmpdir(), 'pgcm-config-'));
after(() => rmSync(folder, { recursive: true }));
let files = 0;

/** Writes a file of this test file's own. @returns its path */
export function temporaryFile(content: string | Uint8Array, mode = 0o600): string {
  files += 1;
  const path = join(folder, `file${files}`);
  writeFileSync(path, content, { mode });
  return path;
}

export function load({ flags = {}, toml, ...request }: Given = {}): Promise<Loaded> {
  const all = toml === undefined ? flags : { ...flags, 'config-file': temporaryFile(toml) };
  return loadConfig({
    command: undefined,
    env: {},
    problems: [],
    signal: new AbortController().signal,
    ...request,
    flags: new Map(Object.entries(all).map(([name, value]) => [name as OptionName, [value].flat()])),
  });
}

/** What is wrong; the paths of temporary files are written FILE. Empty when nothing is. */
export async function problemsOf(given: Given): Promise<readonly string[]> {
  try {
    await load(given);
    return [];
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return error.problems.map((problem) => problem.replaceAll(/\/\S*\/pgcm-config-\w+\/file\d+/g, 'FILE'));
  }
}
