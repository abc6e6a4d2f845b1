import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Agent } from '../../src/cluster/pacemaker/agent.js';
import { readCrmMon, type CrmMon } from '../../src/cluster/pacemaker/crm-mon-xml.js';
import { hasCode } from '../../src/domain/errors.js';
import { packageFile } from '../../src/runtime/package-root.js';

const never = new AbortController().signal;
const healthy = readFileSync(packageFile('test', 'fixtures', 'crm_mon', 'healthy.xml'), 'utf8');

function mon(agent = 'ocf:heartbeat:pgsql'): CrmMon {
  return readCrmMon(healthy.replaceAll('ocf:heartbeat:pgsql', agent), 'msPostgresql');
}

describe("what PostgreSQL's agent keeps on its node", () => {
  let folder: string;
  let parameters: Record<string, string>;
  let commands: string[];
  let agent: Agent;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pgcm-agent-'));
    parameters = { tmpdir: folder, pgdata: '/var/lib/postgresql/15/main' };
    commands = [];
    agent = new Agent(
      {
        getOptional: (file, args) => {
          assert.deepEqual(
            [file, ...args.slice(0, 3)],
            ['crm_resource', '--resource', 'pgsql', '--get-parameter'],
          );
          // crm_resource ends a value with a line feed, and says nothing of a parameter that is not set.
          const value = parameters[args[3] ?? ''];
          return Promise.resolve(value === undefined ? '' : `${value}\n`);
        },
        change: (file, args) => {
          commands.push([file, ...args].join(' '));
          return Promise.resolve();
        },
      },
      'msPostgresql',
    );
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const cleanup = 'crm_resource --cleanup --resource msPostgresql --node pg01';

  it('the lock file is removed before Pacemaker forgets the failure, and once more is no trouble', async () => {
    const file = join(folder, 'PGSQL.lock');
    writeFileSync(file, '');
    assert.equal(await agent.keepsDown(mon(), never), true);
    await agent.readmit(mon(), 'pg01', never);
    assert.equal(existsSync(file), false);
    assert.equal(await agent.keepsDown(mon(), never), false);
    await agent.readmit(mon(), 'pg01', never);
    assert.deepEqual(commands, [cleanup, cleanup]);
  });

  it("one that cannot be removed ends it before Pacemaker is asked, with the operator's next step", async () => {
    parameters['tmpdir'] = join(folder, 'a-file');
    writeFileSync(join(folder, 'a-file'), '');
    await assert.rejects(
      agent.readmit(mon(), 'pg01', never),
      (e) => hasCode(e, 'unavailable') && !e.retryable && e.message.includes('remove it by hand'),
    );
    assert.deepEqual(commands, []);
    assert.equal(await agent.keepsDown(mon(), never), true, 'not to be seen is not gone');
  });

  it('the commands by hand are the same, with the default of the agent for a folder that is not set', async () => {
    assert.deepEqual(await agent.commands(mon(), 'pg01', never), [`rm -f ${folder}/PGSQL.lock`, cleanup]);
    parameters = {};
    assert.equal(await agent.lockFile(mon(), never), '/var/lib/pgsql/tmp/PGSQL.lock');
    parameters = { tmpdir: 'relative' };
    await assert.rejects(agent.lockFile(mon(), never), (e) => hasCode(e, 'invalid-answer'));
  });

  it('another agent has no such file: only the failure is forgotten', async () => {
    const other = mon('ocf:heartbeat:pgsqlms');
    assert.equal(await agent.keepsDown(other, never), false);
    assert.deepEqual(await agent.commands(other, 'pg01', never), [cleanup]);
    await agent.readmit(other, 'pg01', never);
    assert.deepEqual(commands, [cleanup]);
  });

  it('the data directory is the parameter pgdata, if that is a path', async () => {
    assert.equal(await agent.dataDirectory(mon(), never), '/var/lib/postgresql/15/main');
    parameters = { pgdata: 'main' };
    assert.equal(await agent.dataDirectory(mon(), never), undefined);
    parameters = {};
    assert.equal(await agent.dataDirectory(mon(), never), undefined);
  });
});
