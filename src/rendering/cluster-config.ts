import Handlebars from 'handlebars';
import { readFile } from 'node:fs/promises';
import { cloneId, type AgentParameter } from '../domain/agent-parameters.js';
import { describeError, PgcmError } from '../domain/errors.js';
import type { Milliseconds } from '../domain/time.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { packageFile } from '../runtime/package-root.js';

export interface ClusterConfig {
  /** Whose language it is written in. */
  readonly tool: 'crm' | 'pcs';
  /** The promotable clone. */
  readonly resource: string;
  readonly memberCount: number;
  readonly parameters: readonly AgentParameter[];
  readonly startTimeout: Milliseconds;
  readonly fencing: boolean;
}

/** For reading a file that ships with pgcm. */
const READING: Milliseconds = 5_000;

/** Pacemaker's configuration for pgcm's own resource agent, from templates/cluster.TOOL.template. */
export async function renderClusterConfig(config: ClusterConfig, signal: AbortSignal): Promise<string> {
  const path = packageFile('templates', `cluster.${config.tool}.template`);
  const clone = cloneId(config.resource);
  const template = await readTemplate(path, signal);
  const render = Handlebars.create().compile<unknown>(template, {
    noEscape: true,
    strict: true,
    knownHelpersOnly: true,
  });
  return render({
    Clone: clone,
    // One of the two names has to differ.
    Primitive: clone === 'pgsql' ? 'pgsql-member' : 'pgsql',
    MemberCount: String(config.memberCount),
    Parameters: config.parameters.map(({ name, value }) => ({ Name: name, Value: value })),
    StartTimeout: `${Math.ceil(config.startTimeout / 1_000)}s`,
    Fencing: config.fencing,
  });
}

async function readTemplate(path: string, signal: AbortSignal): Promise<string> {
  return runWithDeadline(`reading ${path}`, READING, signal, async (within) => {
    try {
      return await readFile(path, { encoding: 'utf8', signal: within });
    } catch (cause) {
      const why = `cannot be read: ${describeError(cause)}; it ships with pgcm, copy templates/ beside dist/`;
      throw new PgcmError('bad-template', `${path} ${why}`, { cause });
    }
  });
}
