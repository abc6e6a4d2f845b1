import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { hasCode, PgcmError } from '../../src/domain/errors.js';
import { TemplatedConfig } from '../../src/pgbouncer/bouncer-config.js';
import { writeConfigFile } from '../../src/rendering/replace-file.js';
import { leadsTo, withoutHost } from '../../src/pgbouncer/ini.js';
import { topologyOf } from '../fakes/topologies.js';
import { viewAt } from '../fakes/views.js';

const never = new AbortController().signal;
let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgcm-config-'));
  file = join(folder, 'pgbouncer.ini');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const mode = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

describe('writing the config file', () => {
  it('makes a new file with mode 0640, whatever the umask', async () => {
    const umask = process.umask(0o077);
    try {
      assert.equal(await writeConfigFile(file, 'text', never), 'written');
    } finally {
      process.umask(umask);
    }
    assert.equal(readFileSync(file, 'utf8'), 'text');
    assert.equal(mode(file), '640');
  });

  it('defect 9: keeps owner and mode of the existing file', async () => {
    writeFileSync(file, 'old');
    chmodSync(file, 0o604);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(file, 1234, 4321);
    await writeConfigFile(file, 'new', never);
    assert.equal(mode(file), '604');
    if (isRoot) assert.deepEqual([statSync(file).uid, statSync(file).gid], [1234, 4321]);
  });

  it('defect 9: replaces the file, so that a reader has the whole old text or the whole new one', async () => {
    writeFileSync(file, 'old');
    const before = statSync(file).ino;
    await writeConfigFile(file, 'new', never);
    assert.notEqual(statSync(file).ino, before);
    assert.deepEqual(readdirSync(folder), ['pgbouncer.ini']);
  });

  it('does not touch a file that has the text already', async () => {
    writeFileSync(file, 'same');
    const before = statSync(file, { bigint: true });
    assert.equal(await writeConfigFile(file, 'same', never), 'unchanged');
    const after = statSync(file, { bigint: true });
    assert.deepEqual([after.ino, after.mtimeNs, after.ctimeNs], [before.ino, before.mtimeNs, before.ctimeNs]);
  });

  it('writes through a symbolic link, into the folder of its target', async () => {
    const elsewhere = join(folder, 'elsewhere');
    mkdirSync(elsewhere);
    const target = join(elsewhere, 'real.ini');
    writeFileSync(target, 'old');
    symlinkSync('elsewhere/real.ini', file);
    await writeConfigFile(file, 'new', never);
    assert.ok(lstatSync(file).isSymbolicLink());
    assert.equal(readFileSync(target, 'utf8'), 'new');
    assert.deepEqual(readdirSync(elsewhere), ['real.ini']);
    rmSync(target);
    await writeConfigFile(file, 'again', never);
    assert.ok(lstatSync(file).isSymbolicLink());
    assert.equal(readFileSync(target, 'utf8'), 'again');
  });

  it('removes what killed writers left, and nothing else', async () => {
    const dead = spawnSync('true').pid;
    const left = `.pgbouncer.ini.pgcm-${dead}-1`;
    const ours = `.pgbouncer.ini.pgcm-${process.pid}-7`;
    const busy = `.pgbouncer.ini.pgcm-1-1`;
    const stuck = `.pgbouncer.ini.pgcm-1-2`;
    const others = ['.pgbouncer.ini.pgcm-notes', '.other.ini.pgcm-1-1', 'pgbouncer.ini.template'];
    for (const name of [left, ours, busy, stuck, ...others]) writeFileSync(join(folder, name), '');
    utimesSync(join(folder, stuck), 0, 0);
    await writeConfigFile(file, 'text', never);
    assert.deepEqual(readdirSync(folder).sort(), [busy, 'pgbouncer.ini', ...others].sort());
  });

  it('leaves the old file, and no other, when it cannot write', async () => {
    writeFileSync(file, 'old');
    const stop = new AbortController();
    stop.abort(new PgcmError('timed-out', 'too late'));
    await assert.rejects(writeConfigFile(file, 'new', stop.signal), (error) => hasCode(error, 'timed-out'));
    assert.equal(readFileSync(file, 'utf8'), 'old');
    assert.deepEqual(readdirSync(folder), ['pgbouncer.ini']);
  });

  it('names the file that it cannot write', async () => {
    await assert.rejects(writeConfigFile(join(folder, 'no', 'such'), '', never), (error) => {
      assert.ok(hasCode(error, 'unavailable'));
      assert.match(error.message, /^writing .*\/no\/such: ENOENT/);
      return true;
    });
    mkdirSync(file);
    await assert.rejects(writeConfigFile(file, '', never), /pgbouncer\.ini: it is not a regular file/);
  });

  /** Another process that writes a long text into the file. */
  const writeElsewhere = (limits: string, signal: string): ReturnType<typeof spawnSync> => {
    const module = import.meta.resolve('../../src/rendering/replace-file.js');
    const script = `const { writeConfigFile } = await import(${JSON.stringify(module)});
      await writeConfigFile(${JSON.stringify(file)}, 'x'.repeat(100_000), ${signal});`;
    const args = ['-c', `${limits} exec "$@"`, 'sh', process.execPath, '--input-type=module', '-e', script];
    return spawnSync('sh', args, { encoding: 'utf8' });
  };

  it('leaves the old file when there is no room for the new one', () => {
    writeFileSync(file, 'old');
    const writer = writeElsewhere('ulimit -f 8;', 'new AbortController().signal');
    assert.match(String(writer.stderr), /writing .*pgbouncer\.ini: EFBIG: .*; it is as it was/);
    assert.equal(readFileSync(file, 'utf8'), 'old');
    assert.deepEqual(readdirSync(folder), ['pgbouncer.ini']);
  });

  it('leaves the old file when it is killed just before the end; the next writer cleans up', async () => {
    writeFileSync(file, 'old');
    // The signal is looked at when all but the rename is done.
    const writer = writeElsewhere('', "{ get aborted() { process.kill(process.pid, 'SIGKILL'); } }");
    assert.equal(writer.signal, 'SIGKILL', String(writer.stderr));
    assert.equal(readFileSync(file, 'utf8'), 'old');
    assert.equal(readdirSync(folder).length, 2);
    await writeConfigFile(file, 'new', never);
    assert.deepEqual(readdirSync(folder), ['pgbouncer.ini']);
  });
});

describe('the config file from its template', () => {
  const open = (): Promise<TemplatedConfig> =>
    TemplatedConfig.open(
      { configFile: file, templateFile: join(folder, 'template'), timeout: 10_000 },
      never,
    );
  const template = (text: string): void => writeFileSync(join(folder, 'template'), text);

  it('does not open without a usable template', async () => {
    await assert.rejects(
      open(),
      (error) => hasCode(error, 'bad-template') && /template: .*ENOENT/.test(error.message),
    );
    template('{{.Hots}}');
    await assert.rejects(open(), /template:1:4: "Hots"/);
    assert.deepEqual(readdirSync(folder), ['template']);
  });

  it('uses a changed template for the next write, and an unusable one never', async () => {
    template('a = host={{.Host}}');
    const config = await open();
    assert.equal((await config.write(viewAt('10.0.0.1'), never)).outcome, 'written');
    template('b = host={{.Host}}');
    assert.equal((await config.write(viewAt('10.0.0.1'), never)).staleTemplate, undefined);
    assert.equal(readFileSync(file, 'utf8'), 'b = host=10.0.0.1');
    template('c = host={{.Host');
    const written = await config.write(viewAt('10.0.0.2'), never);
    assert.match(written.staleTemplate ?? '', /template:1:/);
    assert.equal(readFileSync(file, 'utf8'), 'b = host=10.0.0.2');
    rmSync(join(folder, 'template'));
    assert.match((await config.write(viewAt('10.0.0.1'), never)).staleTemplate ?? '', /ENOENT/);
    assert.equal(readFileSync(file, 'utf8'), 'b = host=10.0.0.1');
  });

  const READ_ONLY = `[databases]
app = host={{.Host}} port=5432 dbname=app
{{#if Replicas}}
app_ro = host={{#each Replicas}}{{#unless @first}},{{/unless}}{{Address}}{{/each}} port=5432 dbname=app
{{/if}}
`;
  const lines = (): string[] => readFileSync(file, 'utf8').trim().split('\n').slice(1);

  it('leads a read-only database to healthy standbys, and leaves it out where there are none', async () => {
    template(READ_ONLY);
    const config = await open();
    await config.write(viewAt('10.77.0.11', topologyOf('pg01')), never);
    assert.deepEqual(lines(), [
      'app = host=10.77.0.11 port=5432 dbname=app',
      'app_ro = host=10.77.0.12,10.77.0.13 port=5432 dbname=app',
    ]);
    assert.deepEqual(config.follows, ['app']);
    await config.write(viewAt('10.77.0.11'), never);
    assert.deepEqual(lines(), ['app = host=10.77.0.11 port=5432 dbname=app']);
  });

  it('pauses a read-only database only while it leads to the primary', async () => {
    template(READ_ONLY);
    const config = await open();
    assert.deepEqual(
      config.follows,
      ['app', 'app_ro'],
      'not known yet: an earlier life may have led it there',
    );
    await config.write(viewAt('10.77.0.11', undefined, 'primary'), never);
    assert.deepEqual(lines()[1], 'app_ro = host=10.77.0.11 port=5432 dbname=app');
    assert.deepEqual(config.follows, ['app', 'app_ro']);
    await config.write(viewAt('10.77.0.11', topologyOf('pg01'), 'primary'), never);
    assert.deepEqual(config.follows, ['app']);
  });

  it('is current as long as the text is the same, whatever else changes', async () => {
    template(READ_ONLY);
    const config = await open();
    const topology = topologyOf('pg01');
    assert.equal(config.isCurrent(viewAt('10.77.0.11', topology)), false);
    await config.write(viewAt('10.77.0.11', topology), never);
    const behind = topology.members.map((member) => ({ ...member, lag: member.lag && 8_388_608 }));
    assert.equal(config.isCurrent(viewAt('10.77.0.11', { ...topology, members: behind })), true);
    assert.equal(config.isCurrent(viewAt('10.77.0.11', { ...topology, members: [] })), false);
    assert.equal(config.isCurrent(viewAt('10.77.0.12', topology)), false);
  });

  it('does not open with a template that could make a host without a value', async () => {
    template(
      'app = host={{.Host}}\n[databases]\nro = host={{#each Replicas}}{{Address}}{{/each}} port=5432\n',
    );
    await assert.rejects(open(), /template: .*the database ro gets a host= without a value.*#if Replicas/);
    template('{{#each Replicas}}{{Address}}{{/each}}');
    await assert.rejects(open(), /it does not use \{\{\.Host\}\} anywhere/);
  });

  it('lets two writes at once end in their order', async () => {
    template('{{.Host}}');
    const config = await open();
    const hosts = Array.from({ length: 20 }, (_, n) => `10.0.0.${n + 1}`);
    await Promise.all(hosts.map((host) => config.write(viewAt(host), never)));
    assert.equal(readFileSync(file, 'utf8'), '10.0.0.20');
  });
});

describe('where an ini file leads its databases', () => {
  const leads = (ini: string): Record<string, unknown> => {
    const { databases, otherwise, named } = leadsTo(ini, '10.0.0.1');
    return { databases: Object.fromEntries(databases), otherwise, named: [...named] };
  };

  it('finds those of the address, and the names of all', () => {
    const ini = `; a = host=10.0.0.1
      [databases]
      app = host=10.0.0.1 port=5432 dbname=app
      # b = host=10.0.0.1
      report=dbname=app host = 10.0.0.9
      "od""d name" = host='10.0.0.1' password='it''s host=10.0.0.9'
      both = host=10.0.0.9,10.0.0.1
      longer = host=10.0.0.11
      local = port=5432
      %include /etc/pgbouncer/more.ini
      [pgbouncer]
      listen = host=10.0.0.1`;
    assert.deepEqual(leads(ini.replaceAll(/^ +/gm, '')), {
      databases: { app: '10.0.0.1', 'od"d name': '10.0.0.1', both: '10.0.0.9,10.0.0.1' },
      otherwise: undefined,
      named: ['app', 'report', 'od"d name', 'both', 'longer', 'local'],
    });
  });

  it('finds the databases whose host has no value', () => {
    const ini = `[databases]
      a = host= port=5432
      b = host=
      c = host='' port=1
      d = host=10.0.0.1,,10.0.0.2
      e = port=5432
      f = password='host= x' host='10.0.0.1'
      "g" = dbname=x host =
      [pgbouncer]
      h = host=`;
    assert.deepEqual(withoutHost(ini.replaceAll(/^ +/gm, '')), ['a', 'b', 'c', 'd', 'g']);
  });

  it('knows the rule for all other databases', () => {
    assert.deepEqual(leads('[databases]\n* = host=10.0.0.1\n')['otherwise'], '10.0.0.1');
    assert.deepEqual(leads('[databases]\n* = host=10.0.0.2\n')['otherwise'], undefined);
  });
});
