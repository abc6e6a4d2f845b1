import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import { AgentWorld, type AgentCluster } from './agent-cluster.js';
import { OCF, type AgentMember, type Parameters } from './agent-member.js';

const AGENT = fileURLToPath(new URL('../../../agent', import.meta.url));

/** What ocf-tester calls to validate: libxml2's own program is not in the layer, the library is. */
const XMLLINT = `#!/usr/bin/python3
import ctypes, sys
xml = ctypes.CDLL("libxml2.so.2")
for name in ("xmlReadMemory", "xmlParseDTD", "xmlNewValidCtxt"):
    getattr(xml, name).restype = ctypes.c_void_p
text = sys.stdin.buffer.read()
document = xml.xmlReadMemory(text, len(text), b"meta-data.xml", None, 0)
dtd = xml.xmlParseDTD(None, b"/usr/share/resource-agents/ra-api-1.dtd")
if not document or not dtd:
    sys.exit("not to be parsed")
valid = xml.xmlValidateDtd(ctypes.c_void_p(xml.xmlNewValidCtxt()), ctypes.c_void_p(document), ctypes.c_void_p(dtd))
sys.exit(0 if valid == 1 else "not valid")
`;

describe('the agent, as a resource agent', () => {
  let world: AgentWorld;
  let cluster: AgentCluster;
  let pg01: AgentMember;

  before(async () => {
    world = await AgentWorld.start();
  });
  after(() => world.stop());
  beforeEach(async () => {
    cluster = await world.cluster(['pg01']);
    pg01 = cluster.member('pg01');
  });
  afterEach(() => cluster.end());

  describe('meta-data', () => {
    it('is XML with every parameter that the agent reads, and no other', async () => {
      const { stdout } = await pg01.ok('meta-data');
      const parser = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '' });
      const described = META_DATA.parse(parser.parse(stdout))['resource-agent'].parameters.parameter;
      const text = readdirSync(join(AGENT, 'lib'))
        .map((file) => readFileSync(join(AGENT, 'lib', file), 'utf8'))
        .join('\n');
      const read = new Set([...text.matchAll(/OCF_RESKEY_([a-z_]+)/g)].map(([, name]) => name));
      assert.deepEqual(described.map(({ name }) => name).sort(), [...read].sort());
      for (const { name, content, longdesc } of described) {
        assert.ok(longdesc.length > 10, name);
        const preset = new RegExp(`OCF_RESKEY_${name}:=(.*)}"`).exec(text)?.[1];
        // That of config follows from pgdata.
        if (preset !== undefined && name !== 'config') assert.equal(content.default, preset, name);
      }
    });

    it('needs no PostgreSQL, no etcd and no rights', () => {
      const text = execFileSync('sh', [join(AGENT, 'postgresql'), 'meta-data'], {
        encoding: 'utf8',
        env: { OCF_ROOT: '/usr/lib/ocf', PATH: process.env['PATH'] },
        uid: 65534,
        gid: 65534,
      });
      assert.match(text, /<\/resource-agent>\n$/);
    });
  });

  it("Debian's ocf-tester has nothing to say against it", { timeout: 400_000 }, async () => {
    writeFileSync(join(pg01.standIns.path, 'xmllint'), XMLLINT);
    chmodSync(join(pg01.standIns.path, 'xmllint'), 0o755);
    // Where the user nobody may read it, whatever the folder of the checkout is.
    const agent = join(pg01.data, '..', 'agent');
    execFileSync('cp', ['-r', AGENT, agent]);
    execFileSync('chmod', ['-R', 'a+rX', agent]);
    const environment = pg01.environment();
    const options = Object.entries(environment)
      .filter(([name]) => /^OCF_RESKEY_(?!CRM_meta_)/.test(name))
      .flatMap(([name, value]) => ['-o', `${name.replace('OCF_RESKEY_', '')}=${value ?? ''}`]);
    const args = ['-v', '-n', pg01.instance, ...options, join(agent, 'postgresql')];
    const { status, said } = await new Promise<{ status: unknown; said: string }>((resolve) => {
      execFile('ocf-tester', args, { env: environment, timeout: 380_000 }, (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : error.code, said: stdout + stderr });
      });
    });
    assert.equal(status, 0, said);
    assert.match(said, /passed all tests/);
  });

  describe('validate-all (rule 18)', () => {
    it('is content with the cluster of these tests', async () => {
      await pg01.ok('validate-all');
    });

    const refused: readonly (readonly [string, string, RegExp])[] = [
      ['restart_after_crash', 'on', /restart_after_crash = on .*: a crash is Pacemaker's/],
      ['fsync', 'off', /fsync = off/],
      ['full_page_writes', 'off', /full_page_writes = off/],
      ['hot_standby', 'off', /hot_standby = off/],
      ['wal_sender_timeout', '6s', /wal_sender_timeout = 6000 ms/],
      ['wal_sender_timeout', '0', /wal_sender_timeout = 0 ms/],
      ['wal_receiver_timeout', '1min', /wal_receiver_timeout = 60000 ms/],
      ['wal_log_hints', 'off', /pg_rewind needs data checksums or wal_log_hints/],
    ];
    for (const [name, value, reason] of refused) {
      it(`refuses ${name} = ${value}`, async () => {
        pg01.set(name, value);
        const { said } = await pg01.expect('validate-all', OCF.configured);
        assert.match(said, reason);
      });
    }

    const warned: readonly (readonly [string, string, RegExp])[] = [
      ['synchronous_commit', 'off', /synchronous_commit is below on/],
      ['synchronous_commit', 'remote_write', /synchronous_commit is below on/],
      ['max_slot_wal_keep_size', '-1', /max_slot_wal_keep_size = -1/],
    ];
    for (const [name, value, warning] of warned) {
      it(`warns of ${name} = ${value}`, async () => {
        assert.doesNotMatch((await pg01.ok('validate-all')).said, warning);
        pg01.set(name, value);
        assert.match((await pg01.ok('validate-all')).said, warning);
      });
    }

    const releases: readonly (readonly [string, boolean])[] = [
      ...(['13.20', '14.17', '15.12', '16.8', '17.4'] as const).map((release) => [release, true] as const),
      ...(['13.21', '14.18', '15.13', '16.9', '17.5', '18.0'] as const).map(
        (release) => [release, false] as const,
      ),
    ];
    it('warns of minor releases in which a commit may pass synchronous_standby_names', async () => {
      for (const [release, isOld] of releases) {
        const bindir = pg01.standIns.binaries(
          'postgres',
          `[ "$1" != --version ] || { echo "postgres (PostgreSQL) ${release}"; exit; }\nexec "$real" "$@"`,
        );
        const { said } = await pg01.ok('validate-all', { bindir });
        assert.equal(/a commit just after a start may not wait/.test(said), isOld, `${release}: ${said}`);
      }
    });

    it('also where ALTER SYSTEM has set it in the data directory', async () => {
      appendFileSync(join(pg01.data, 'postgresql.auto.conf'), "fsync = 'off'\n");
      await pg01.expect('validate-all', OCF.configured);
    });

    it('needs no hints for no rewind', async () => {
      pg01.set('wal_log_hints', 'off');
      await pg01.ok('validate-all', { rewind: 'no' });
    });

    const wrong: readonly (readonly [string, Parameters, number, RegExp])[] = [
      [
        'a node_list without this node',
        { node_list: 'pg02=127.0.0.12' },
        OCF.configured,
        /does not have this node, pg01/,
      ],
      ['no node_list', { node_list: '' }, OCF.configured, /does not have this node, pg01/],
      ['another sync_mode', { sync_mode: 'quorum' }, OCF.configured, /'quorum' is not async or strict/],
      [
        'no configuration file',
        { config: '/nowhere/postgresql.conf' },
        OCF.installed,
        /postgresql.conf is not there/,
      ],
      ['no programs', { bindir: '/nowhere' }, OCF.installed, /there is no \/nowhere\/postgres/],
    ];
    for (const [what, parameters, status, reason] of wrong) {
      it(`refuses ${what}`, async () => {
        assert.match((await pg01.expect('validate-all', status, parameters)).said, reason);
      });
    }

    it('start refuses what validate-all refuses, and starts nothing', async () => {
      pg01.set('fsync', 'off');
      await pg01.expect('start', OCF.configured);
      assert.deepEqual(pg01.processes, []);
    });

    it('stop and monitor do not need any of it', async () => {
      await pg01.ok('start');
      pg01.set('fsync', 'off');
      await pg01.ok('monitor');
      await pg01.ok('stop');
    });
  });

  it('start says when there is no cluster in the data directory', async () => {
    rmSync(join(pg01.data, 'global'), { recursive: true });
    mkdirSync(join(pg01.data, 'global'));
    const { status } = await pg01.run('start');
    assert.equal(status, OCF.installed);
    assert.ok(!existsSync(join(pg01.data, 'postmaster.pid')));
  });

  it('says what is wrong when PostgreSQL does not start', async () => {
    pg01.set('shared_preload_libraries', 'nonexistent_library');
    const { said } = await pg01.expect('start', OCF.generic);
    assert.match(said, /did not start: see .*nonexistent_library/s);
  });

  it('knows no other action', async () => {
    const { status } = await pg01.run('notify' as 'start');
    assert.equal(status, OCF.unimplemented);
  });
});

const META_DATA = z.object({
  'resource-agent': z.object({
    parameters: z.object({
      parameter: z.array(
        z.object({
          name: z.string(),
          longdesc: z.object({ '#text': z.string() }).transform((it) => it['#text']),
          content: z.object({ default: z.string() }),
        }),
      ),
    }),
  }),
});
