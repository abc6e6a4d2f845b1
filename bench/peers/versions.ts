import type { Playground } from '../../playground/client.js';
import { version } from '../../src/cli/version.js';

/** Of pgcm itself, which is in no package here. */
export async function ownVersions(signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
  return { pgcm: await version(signal), node: process.versions.node };
}

/** The versions of Debian packages, as installed on the hosts. @throws when one is not there */
export async function versionsOf(
  playground: Playground,
  packages: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  const [host] = await playground.hosts('postgres');
  const argv = ['dpkg-query', '--show', '--showformat', '${Package} ${Version}\n', ...packages];
  const { status, stdout, stderr } = await playground.exec(host?.name ?? '', argv);
  if (status !== 0) throw new Error(`the versions of ${packages.join(', ')}: ${stderr.trim()}`);
  return Object.fromEntries(
    stdout
      .trim()
      .split('\n')
      .map((text) => text.split(' ') as [string, string]),
  );
}
