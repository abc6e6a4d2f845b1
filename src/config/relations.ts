import { formatDuration } from '../runtime/durations.js';
import type { Config, OptionName } from './options.js';
import { pgbouncerSockets } from './sockets.js';

/** What must hold between options. It is not looked at while one of them is wrong by itself. */
interface Relation {
  readonly between: readonly OptionName[];
  /** Left out by show-config: what it prints has no passwords, and must be readable again. */
  readonly onlyToRun?: boolean;
  /** @returns what is wrong, if anything is */
  check(config: Config): string | undefined;
}

/** An option that means nothing without another one. */
const needs = (given: OptionName, ...others: readonly OptionName[]): Relation => ({
  between: [given, ...others],
  check: (config) =>
    config[given] !== '' && others.every((name) => config[name] === '')
      ? `${given} needs ${others.join(' or ')}`
      : undefined,
});

const tls = ['etcd-tls-ca', 'etcd-tls-cert', 'etcd-tls-key'] as const;

/** Only what is clearly wrong stands here: an odd configuration is the operator's to choose. */
export const relations: readonly Relation[] = [
  {
    between: ['pause-expiry', 'allow-endless-pause'],
    check: (config) =>
      config['pause-expiry'] === 0 && !config['allow-endless-pause']
        ? 'pause-expiry is 0, a pause that nobody lifts if the failover command dies: give it a time, ' +
          'or set allow-endless-pause'
        : undefined,
  },
  {
    between: ['pause-timeout', 'pause-expiry'],
    check: (config) => {
      const timeout = config['pause-timeout'];
      const expiry = config['pause-expiry'];
      return expiry !== 0 && timeout > expiry
        ? `pause-timeout (${formatDuration(timeout)}) is longer than pause-expiry (${formatDuration(expiry)}): ` +
            'the pause would be over before it is complete'
        : undefined;
    },
  },
  {
    between: ['pgbouncer-socket-dir', 'pgbouncer-port'],
    check: (config) => {
      const sockets = pgbouncerSockets(config);
      if (sockets === undefined) {
        const dirs = config['pgbouncer-socket-dir'].length;
        return (
          `pgbouncer-socket-dir names ${dirs} folders and pgbouncer-port ${config['pgbouncer-port'].length} ports: ` +
          'write one folder for all ports, or one for each'
        );
      }
      const names = sockets.map(({ dir, port }) => `${dir}:${port}`);
      const twice = names.find((name, at) => names.indexOf(name) !== at);
      return twice === undefined ? undefined : `pgbouncer-socket-dir and pgbouncer-port name ${twice} twice`;
    },
  },
  {
    between: [...tls, 'etcd-endpoints'],
    check: (config) => {
      const plain = config['etcd-endpoints'].filter((endpoint) => !/^https:/i.test(endpoint));
      return tls.some((name) => config[name] !== '') && plain.length > 0
        ? `etcd-tls-* is set, but would not be used for ${plain.join(', ')}: write https://`
        : undefined;
    },
  },
  {
    between: ['etcd-endpoints'],
    check: (config) => {
      const schemes = new Set(config['etcd-endpoints'].map((endpoint) => /^https:/i.test(endpoint)));
      return schemes.size > 1 ? 'etcd-endpoints mixes https:// with plain http' : undefined;
    },
  },
  {
    between: ['output', 'pgbouncer-config-file'],
    check: (config) => {
      const file = config['pgbouncer-config-file'];
      const same = config.output.find((output) => output.file === file);
      return same && `output ${same.name} and pgbouncer-config-file name the same file, ${file}`;
    },
  },
  needs('etcd-tls-cert', 'etcd-tls-key'),
  needs('etcd-tls-key', 'etcd-tls-cert'),
  {
    between: ['api-tls-ca', 'api-tls-cert', 'api-tls-key'],
    check: (config) => {
      const names = ['api-tls-ca', 'api-tls-cert', 'api-tls-key'] as const;
      const missing = names.filter((name) => config[name] === '');
      return missing.length > 0 && missing.length < names.length
        ? `api-tls-*: ${missing.join(' and ')} missing; the API needs all three`
        : undefined;
    },
  },
  { ...needs('etcd-user', 'etcd-password', 'etcd-password-file'), onlyToRun: true },
];

/** Odd, but perhaps wanted. */
export const oddities: readonly Relation[] = [
  needs('etcd-password', 'etcd-user'),
  needs('etcd-password-file', 'etcd-user'),
  needs('probe-password', 'probe-user'),
  needs('probe-password-file', 'probe-user'),
  {
    between: ['promote-timeout', 'pause-expiry'],
    check: (config) => {
      const promote = config['promote-timeout'];
      const expiry = config['pause-expiry'];
      return expiry !== 0 && promote > expiry
        ? `promote-timeout (${formatDuration(promote)}) is longer than pause-expiry (${formatDuration(expiry)}): ` +
            'clients are let go, and see errors, before the failover gives up'
        : undefined;
    },
  },
];
