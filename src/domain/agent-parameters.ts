import { quote } from './address.js';
import { PgcmError } from './errors.js';

/** What the operator says of a cluster with pgcm's own resource agent, by the names of the options. */
export interface AgentSettings {
  readonly 'cluster-members': readonly string[];
  readonly 'etcd-endpoints': readonly string[];
  readonly 'etcd-namespace': string;
  readonly 'etcd-tls-ca': string;
  readonly 'etcd-tls-cert': string;
  readonly 'etcd-tls-key': string;
  readonly 'etcd-user': string;
  readonly 'agent-etcd-user-file': string;
  readonly 'postgres-data-dir': string;
  readonly 'postgres-config-file': string;
  readonly 'postgres-bin-dir': string;
  readonly 'postgres-port': number;
  readonly 'postgres-socket-dir': string;
  readonly 'postgres-log-file': string;
  readonly 'standby-user': string;
  readonly 'standby-conninfo': string;
  readonly 'agent-rebuild': boolean;
  readonly 'agent-state-dir': string;
  readonly 'sync-mode': string;
}

type Name = keyof AgentSettings;

/** One parameter of ocf:pgcm:postgresql. Its value has no quote, backslash, dollar or other character that a shell obeys. */
export interface AgentParameter {
  readonly name: string;
  readonly value: string;
}

/**
 * The agent's parameters, those without a value left out. They become part of a shell script and of crmsh's language, and the
 * agent puts them into PostgreSQL's settings, so each may hold only what its kind needs.
 * @throws PgcmError `usage`, with all that is wrong
 */
export function agentParameters(settings: AgentSettings): readonly AgentParameter[] {
  const problems = [
    ...membersProblems(settings['cluster-members']),
    ...missing(settings),
    ...misfits(settings),
    ...contradictions(settings),
  ];
  if (problems.length > 0) throw new PgcmError('usage', problems.join('; '));
  const parameters = {
    node_list: settings['cluster-members'].join(' '),
    etcd_endpoints: settings['etcd-endpoints'].map(withScheme).join(','),
    etcd_namespace: settings['etcd-namespace'],
    etcd_cacert: settings['etcd-tls-ca'],
    etcd_cert: settings['etcd-tls-cert'],
    etcd_key: settings['etcd-tls-key'],
    etcd_user_file: settings['agent-etcd-user-file'],
    pgdata: settings['postgres-data-dir'],
    config: settings['postgres-config-file'],
    bindir: settings['postgres-bin-dir'],
    pgport: String(settings['postgres-port']),
    socketdir: settings['postgres-socket-dir'],
    logfile: settings['postgres-log-file'],
    repuser: settings['standby-user'],
    conninfo_opt: settings['standby-conninfo'],
    rebuild: settings['agent-rebuild'] ? 'yes' : 'no',
    sync_mode: settings['sync-mode'],
    statedir: settings['agent-state-dir'],
  };
  return Object.entries(parameters)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => ({ name, value }));
}

/** A name for the promotable clone: it is an XML id, too. */
export function cloneId(resource: string): string {
  if (/^[A-Za-z_][A-Za-z0-9._-]*$/.test(resource)) return resource;
  const may = 'a resource has letters, digits, dots, dashes and underscores, a letter first';
  throw new PgcmError('usage', `pacemaker-resource: ${quote(resource)}: ${may}`);
}

const needed = {
  'postgres-data-dir': 'the data directory is missing',
  'postgres-config-file': 'postgresql.conf, outside the data directory, is missing',
} as const;

function missing(settings: AgentSettings): readonly string[] {
  return (Object.keys(needed) as readonly (keyof typeof needed)[])
    .filter((name) => settings[name] === '')
    .map((name) => `${name}: ${needed[name]}`);
}

function membersProblems(members: readonly string[]): readonly string[] {
  if (members.length < 2) {
    return ['cluster-members: name all members, two at least: pg01=10.0.0.1 pg02=10.0.0.2'];
  }
  const parts = members.map((member) => member.split('='));
  const named = parts.map(([name = '']) => name);
  const addresses = parts.map(([, address = '']) => address);
  // The agent's slots: lower case, and whatever a slot's name cannot have is an underscore.
  const slots = named.map((name) => name.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_'));
  const same = [named, addresses, slots].flatMap((values, which) => {
    const twice = values.find((value, at) => values.indexOf(value) !== at);
    return twice === undefined
      ? []
      : [`two members have the ${['name', 'address', 'slot'][which]} ${quote(twice)}`];
  });
  return same.slice(0, 1).map((problem) => `cluster-members: ${problem}`);
}

const path = /^\/[A-Za-z0-9._/+@-]*$/;
const file = 'an absolute path of letters, digits and . _ / + @ - is needed';

/** What each may hold; the empty text is none. */
const fits: Partial<Record<Name, readonly [pattern: RegExp, expected: string]>> = {
  'etcd-namespace': [/^[A-Za-z0-9._/-]*$/, 'the agent takes letters, digits and . _ / -'],
  'etcd-tls-ca': [path, file],
  'etcd-tls-cert': [path, file],
  'etcd-tls-key': [path, file],
  'agent-etcd-user-file': [path, file],
  'postgres-data-dir': [path, file],
  'postgres-config-file': [path, file],
  'postgres-bin-dir': [path, file],
  'postgres-socket-dir': [path, file],
  'postgres-log-file': [path, file],
  'agent-state-dir': [path, file],
  'standby-user': [/^[A-Za-z0-9_][A-Za-z0-9._-]*$/, 'the agent takes letters, digits and . _ -'],
  'standby-conninfo': [
    /^[A-Za-z0-9_]+=[A-Za-z0-9._/:,@+-]+( [A-Za-z0-9_]+=[A-Za-z0-9._/:,@+-]+)*$/,
    'write NAME=VALUE NAME=VALUE, without quotes, values of letters, digits and . _ / : , @ + -',
  ],
};

function misfits(settings: AgentSettings): readonly string[] {
  const texts = (Object.keys(fits) as readonly Name[]).flatMap((name) => {
    const [pattern, expected] = fits[name] ?? [/^/, ''];
    const value = settings[name];
    return value === '' || pattern.test(String(value))
      ? []
      : [`${name}: ${quote(String(value))}: ${expected}`];
  });
  const endpoints = settings['etcd-endpoints']
    .filter((endpoint) => !/^https?:\/\/[A-Za-z0-9.:[\]-]+\/?$/.test(withScheme(endpoint)))
    .map((endpoint) => `etcd-endpoints: ${quote(endpoint)}: write http(s)://HOST:PORT`);
  return [...texts, ...endpoints];
}

function contradictions(settings: AgentSettings): readonly string[] {
  const data = settings['postgres-data-dir'].replace(/\/+$/, '');
  const found: string[] = [];
  if (data !== '' && settings['postgres-config-file'].startsWith(`${data}/`)) {
    found.push(
      'postgres-config-file is in postgres-data-dir: a rewind or a rebuild would bring the settings of another node; ' +
        'put it outside, with data_directory in it',
    );
  }
  if (settings['etcd-user'] !== '' && settings['agent-etcd-user-file'] === '') {
    found.push(
      'etcd-user is set: the agent needs agent-etcd-user-file, a file with USER:PASSWORD, to log in',
    );
  }
  return found;
}

/** etcdctl wants to be told, too. */
function withScheme(endpoint: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(endpoint) ? endpoint : `http://${endpoint}`;
}
