import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { XMLParser } from 'fast-xml-parser';
import { packageFile } from '../../src/runtime/package-root.js';

export type Pairs = Readonly<Record<string, string>>;

/** What a configuration says, in whatever language. */
export interface Meaning {
  readonly resource: string;
  readonly properties: Pairs;
  readonly parameters: Pairs;
  readonly meta: Pairs;
  readonly clone: Pairs;
  /** By name, interval and role. */
  readonly operations: Readonly<Record<string, Pairs>>;
}

export function meaningOf(tool: 'crm' | 'pcs', text: string): Meaning {
  return tool === 'crm' ? crmMeaning(text) : pcsMeaning(text);
}

function crmMeaning(text: string): Meaning {
  const statements = text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (line.match(/(?:[^\s"]+|"[^"]*")+/g) ?? []).map((word) => word.replaceAll('"', '')));
  const [property = [], primitive = [], clone = []] = statements;
  assert.deepEqual(
    [statements.length, property[0], primitive[0], primitive[2], clone[0]],
    [3, 'property', 'primitive', 'ocf:pgcm:postgresql', 'clone'],
  );
  assert.equal(clone[2], primitive[1]);
  const parts = sections(primitive.slice(3));
  return {
    resource: `${clone[1] ?? ''} of ${primitive[1] ?? ''}`,
    properties: pairs(property.slice(2)),
    parameters: pairs(parts.find(([name]) => name === 'params')?.[1] ?? []),
    meta: pairs(parts.find(([name]) => name === 'meta')?.[1] ?? []),
    clone: pairs(clone.slice(4)),
    operations: operationsOf(parts),
  };
}

function pcsMeaning(text: string): Meaning {
  const [, property = [], create = []] = pcsCalls(text);
  assert.deepEqual(property.slice(2, 4), ['property', 'set']);
  assert.deepEqual([...create.slice(2, 4), create[5]], ['resource', 'create', 'ocf:pgcm:postgresql']);
  const parts = sections(['params', ...create.slice(6)]);
  const promotable = parts.find(([name]) => name === 'promotable')?.[1] ?? [];
  return {
    resource: `${promotable[0] ?? ''} of ${create[4] ?? ''}`,
    properties: pairs(property.slice(4)),
    parameters: pairs(parts.find(([name]) => name === 'params')?.[1] ?? []),
    meta: pairs(parts.find(([name]) => name === 'meta')?.[1] ?? []),
    // The word itself says so.
    clone: { ...pairs(promotable.slice(1)), promotable: 'true' },
    operations: operationsOf(parts),
  };
}

/** What a shell hands to pcs, call by call. */
export function pcsCalls(script: string): readonly (readonly string[])[] {
  const folder = mkdtempSync(join(tmpdir(), 'pgcm-pcs-'));
  after(() => {
    rmSync(folder, { recursive: true });
  });
  // Into a file: what the script prints may be anything.
  const fake = `pcs() { printf '%s\\n' "$@" . >>"$CALLS"; [ "$2" != cib ] || : >"$3"; }\n`;
  const calls = join(folder, 'calls');
  execFileSync('sh', ['-c', `${fake}${script}`], { env: { ...process.env, CALLS: calls, TMPDIR: folder } });
  const words = readFileSync(calls, 'utf8').split('\n');
  const found: string[][] = [[]];
  for (const word of words.slice(0, -1)) {
    if (word === '.') found.push([]);
    else found.at(-1)?.push(word);
  }
  return found.slice(0, -1);
}

const keywords = ['params', 'op', 'meta', 'promotable'];

function sections(words: readonly string[]): readonly (readonly [name: string, words: readonly string[]])[] {
  const found: [string, string[]][] = [];
  for (const word of words) {
    if (keywords.includes(word)) found.push([word, []]);
    else found.at(-1)?.[1].push(word);
  }
  return found;
}

function pairs(words: readonly string[]): Pairs {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=');
      assert.ok(at > 0, `${word} is no pair`);
      return [word.slice(0, at), word.slice(at + 1)] as const;
    }),
  );
}

function operationsOf(parts: readonly (readonly [string, readonly string[]])[]): Meaning['operations'] {
  const operations = parts.filter(([name]) => name === 'op').map(([, words]) => words);
  return Object.fromEntries(operations.map(([name = '', ...words]) => operation(name, pairs(words))));
}

function operation(name: string, { interval, role, ...rest }: Pairs): readonly [string, Pairs] {
  return [[name, interval, ...(role === undefined ? [] : [role])].join(' '), rest];
}

/** Monitors run long on a loaded playground, so it has a timeout of its own. */
export function withoutTimeouts(operations: Meaning['operations']): Meaning['operations'] {
  return Object.fromEntries(
    Object.entries(operations).map(([key, { timeout, ...rest }]) => [key, timeout === undefined ? {} : rest]),
  );
}

export function pick(from: Pairs, names: readonly string[]): Pairs {
  return Object.fromEntries(names.map((name) => [name, from[name] ?? '']));
}

interface Node {
  readonly [name: string]: unknown;
}

function parseXml(xml: string): Node {
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '',
    isArray: (name) => ['nvpair', 'op', 'primitive', 'parameter', 'action'].includes(name),
  });
  return parser.parse(xml) as Node;
}

function at(node: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((found, name) => (found as Record<string | number, unknown>)[name], node);
}

function nvpairs(node: unknown): Pairs {
  const found = at(node, 'nvpair') as readonly { readonly name: string; readonly value: string }[];
  return Object.fromEntries(found.map(({ name, value }) => [name, value]));
}

/** docker/node/cib-pgcm.sh, as its shell has it. */
export function playgroundMeaning(members: string, fencing: 'playground' | 'none'): Meaning {
  const parts = ['common', 'postgresql', 'cib', 'cib-pgcm'].map((name) => `. ./${name}.sh`);
  const xml = execFileSync('sh', ['-euc', [...parts, 'cluster_description'].join('\n')], {
    encoding: 'utf8',
    cwd: packageFile('docker', 'node'),
    env: {
      ...process.env,
      CLUSTER_MEMBERS: members,
      NODE_AGENT: 'pgcm',
      NODE_FENCING: fencing,
      POWER_SOCKET: '/run/power',
    },
  });
  const configuration = at(parseXml(xml), 'cib', 'configuration');
  const clone = at(configuration, 'resources', 'clone');
  const primitive = at(clone, 'primitive', 0);
  const properties = nvpairs(at(configuration, 'crm_config', 'cluster_property_set'));
  const defaults = nvpairs(at(configuration, 'rsc_defaults', 'meta_attributes'));
  const operations = at(primitive, 'operations', 'op') as readonly Pairs[];
  return {
    resource: `${String(at(clone, 'id'))} of ${String(at(primitive, 'id'))}`,
    // The others are for hosts that share two processors, or are about fencing.
    properties: pick(properties, ['no-quorum-policy', 'start-failure-is-fatal', 'transition-delay']),
    parameters: nvpairs(at(primitive, 'instance_attributes')),
    meta: nvpairs(at(primitive, 'meta_attributes')),
    // A clone without its own takes the defaults of all resources.
    clone: { ...defaults, ...nvpairs(at(clone, 'meta_attributes')) },
    operations: Object.fromEntries(
      operations.map(({ id, name = '', ...rest }) => operation(id === undefined ? '' : name, rest)),
    ),
  };
}

function metaData(): Node {
  const show = '. ./parameters.sh\nmeta_data';
  return parseXml(execFileSync('sh', ['-euc', show], { encoding: 'utf8', cwd: packageFile('agent', 'lib') }));
}

export function agentDefaults(): Pairs {
  const parameters = at(metaData(), 'resource-agent', 'parameters', 'parameter') as readonly Node[];
  return Object.fromEntries(
    parameters.map((parameter) => [
      String(at(parameter, 'name')),
      String(at(parameter, 'content', 'default')),
    ]),
  );
}

/** Of meta-data, in today's names of the roles. */
export function agentTimeouts(): Pairs {
  const actions = at(metaData(), 'resource-agent', 'actions', 'action') as readonly Pairs[];
  return Object.fromEntries(
    actions
      .filter(({ name = '' }) => !['validate-all', 'meta-data'].includes(name))
      .map(({ name = '', interval = '0s', role, timeout = '' }) => [
        [name, interval, ...(role === 'Master' ? ['Promoted'] : [])].join(' '),
        timeout,
      ]),
  );
}
