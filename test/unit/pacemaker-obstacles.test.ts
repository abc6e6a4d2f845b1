import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseConstraints } from '../../src/cluster/pacemaker/constraints.js';
import { parseControllerState, settledState } from '../../src/cluster/pacemaker/controller.js';
import { readCrmMon } from '../../src/cluster/pacemaker/crm-mon-xml.js';
import { obstaclesOf } from '../../src/cluster/pacemaker/obstacles.js';
import { hasCode } from '../../src/domain/errors.js';
import type { Obstacle } from '../../src/domain/inspection.js';
import { packageFile } from '../../src/runtime/package-root.js';

const never = new AbortController().signal;

/** Printed by Pacemaker 2.1.5 of a three-node cluster with ocf:heartbeat:pgsql. */
const fixture = (...path: string[]): string => readFileSync(packageFile('test', 'fixtures', ...path), 'utf8');
const healthy = fixture('crm_mon', 'healthy.xml');
const operators = fixture('cib', 'operator-constraints.xml');

/** Between the ends of the fixture's expired and its live preference. */
const now = Date.parse('2026-11-21T13:06:00Z');

function obstacles({
  mon = healthy,
  constraints = '<constraints/>',
  controller = 'S_IDLE',
  lockFile,
}: {
  mon?: string;
  constraints?: string;
  controller?: string;
  lockFile?: string;
} = {}): readonly Obstacle[] {
  const resource = 'msPostgresql';
  const read = { mon: readCrmMon(mon, resource), constraints: parseConstraints(constraints) };
  return obstaclesOf({ ...read, resource, controller, lockFile, now });
}

/** The one obstacle that there must be. */
function only(given: Parameters<typeof obstacles>[0]): Obstacle {
  const [first, ...more] = obstacles(given);
  assert.deepEqual(more, []);
  return first ?? assert.fail('no obstacle');
}

const location = (attributes: string, inner = ''): string =>
  `<constraints><rsc_location ${attributes}>${inner}</rsc_location></constraints>`;

describe('what Pacemaker has against a move', () => {
  it('is nothing in a healthy cluster', () => {
    assert.deepEqual(obstacles(), []);
  });

  it('maintenance mode, told once, though every resource is unmanaged then', () => {
    const found = only({ mon: fixture('crm_mon', 'maintenance.xml') });
    assert.equal(found.kind, 'maintenance');
    assert.match(found.text, /cluster is in maintenance mode/);
    assert.equal(found.wayOut, 'crm_attribute --name maintenance-mode --delete');
  });

  it('an unmanaged clone, stop-all-resources, nodes in maintenance or standby mode', () => {
    const unmanaged = healthy.replace('unique="false" managed="true"', 'unique="false" managed="false"');
    assert.match(only({ mon: unmanaged }).wayOut, /--resource msPostgresql --meta .*is-managed/);
    const stopped = healthy.replace('stop-all-resources="false"', 'stop-all-resources="true"');
    assert.match(only({ mon: stopped }).text, /stop-all-resources/);
    const pg02 = (attribute: string): string =>
      healthy.replace(
        new RegExp(`(<node name="pg02" id="2" online="true"[^>]*?) ${attribute}="false"`),
        `$1 ${attribute}="true"`,
      );
    assert.deepEqual(only({ mon: pg02('maintenance') }), {
      kind: 'maintenance',
      text: 'pg02 is in maintenance mode',
      wayOut: 'crm_attribute --node pg02 --name maintenance --delete',
    });
    assert.equal(only({ mon: pg02('standby') }).wayOut, 'crm_standby --node pg02 --delete');
    assert.match(only({ mon: pg02('standby_onfail') }).text, /an action failed there/);
  });

  it('an unclean node', () => {
    const mon = healthy.replace(
      /(<node name="pg03" id="3" online="true"[^>]*)unclean="false"/,
      '$1unclean="true"',
    );
    const found = only({ mon });
    assert.equal(found.kind, 'unclean-node');
    assert.match(found.wayOut, /stonith_admin --confirm pg03/);
  });

  it('what failed, with the words of Pacemaker: here a demoted primary that its lock file keeps down', () => {
    const found = only({ mon: fixture('crm_mon', 'moved.xml') });
    assert.equal(found.kind, 'failed-action');
    assert.equal(found.text, 'monitor of pgsql failed on pg03 at 2026-11-21 13:05:54Z: not running');
    assert.match(found.wayOut, /crm_resource --cleanup --resource msPostgresql --node pg03$/);
    const locked = only({ mon: fixture('crm_mon', 'moved.xml'), lockFile: '/tmp/PGSQL.lock' });
    assert.match(locked.wayOut, /kept down by \/tmp\/PGSQL\.lock: if its data have not diverged/);
  });

  it('tells the reason of a failure, and leaves out failures of other resources', () => {
    const failures = (text: string): string =>
      healthy.replace('<status code', `<failures>${text}</failures><status code`);
    const failure = (key: string): string =>
      `<failure op_key="${key}" node="pg01" exitstatus="error" exitreason="disk &lt;full&gt;" exitcode="1" call="7" status="Timed Out" task="start"/>`;
    assert.equal(
      only({ mon: failures(failure('pgsql_start_0')) }).text,
      'start of pgsql failed on pg01: error (Timed Out): disk <full>',
    );
    assert.deepEqual(obstacles({ mon: failures(failure('fencing_monitor_60000')) }), []);
    assert.deepEqual(obstacles({ mon: failures(failure('pgsql_other_start_0')) }), []);
  });

  it('an instance that is blocked', () => {
    const mon = healthy.replace('role="Promoted" active="true" orphaned="false" blocked="false"', (text) =>
      text.replace('blocked="false"', 'blocked="true"'),
    );
    assert.match(only({ mon }).text, /pgsql is blocked on pg01/);
  });

  it('a transition in progress; marks of pending monitors alone are none', () => {
    const moving = fixture('crm_mon', 'moving.xml');
    const controller = parseControllerState(fixture('crmadmin', 'moving.xml'));
    const found = only({ mon: moving, controller });
    assert.equal(found.kind, 'pending-action');
    assert.match(found.text, /S_TRANSITION_ENGINE/);
    const marked = healthy.replace('nodes_running_on="1">', 'nodes_running_on="1" pending="Monitoring">');
    assert.notEqual(marked, healthy);
    assert.deepEqual(obstacles({ mon: marked }), []);
    const joining = healthy.replace('pending="false"', 'pending="true"');
    assert.match(only({ mon: joining }).text, /pg01 is joining/);
  });

  it("an operator's bans and preferences; not what has ended, nor a move of pgcm's", () => {
    assert.deepEqual(
      obstacles({ constraints: operators }).map(({ kind, text }) => [kind, text]),
      [
        ['ban', 'cli-ban-msPostgresql-on-pg02 bans msPostgresql (as Promoted) from pg02'],
        ['preference', 'cli-prefer-msPostgresql holds msPostgresql (as Promoted) on pg01'],
        ['preference', 'operators-choice holds msPostgresql (as Promoted) on pg03'],
      ],
    );
    const [ban] = obstacles({ constraints: operators });
    assert.match(
      ban?.wayOut ?? '',
      /cibadmin --delete --xml-text '<rsc_location id="cli-ban-msPostgresql-on-pg02"\/>'/,
    );
  });

  it('constraints that hold nothing: finite ones, of other resources, of standbys, of hosts without PostgreSQL', () => {
    const harmless = [
      'id="a" rsc="msPostgresql" role="Promoted" node="pg01" score="100"',
      'id="b" rsc="other" role="Promoted" node="pg01" score="INFINITY"',
      'id="c" rsc="msPostgresql" node="pg01" score="INFINITY"',
      'id="d" rsc="msPostgresql" node="arbiter" score="-INFINITY"',
      'id="e" rsc-pattern="^other" role="Promoted" node="pg01" score="INFINITY"',
    ];
    for (const one of harmless) assert.deepEqual(obstacles({ constraints: location(one) }), [], one);
    const holding = [
      'id="a" rsc="msPostgresql" role="Master" node="pg01" score="1000000"',
      'id="b" rsc-pattern="^msPost" role="Promoted" node="pg01" score="+INFINITY"',
      'id="c" rsc="pgsql" node="pg02" score="-INFINITY"',
      'id="d" rsc="msPostgresql" role="Promoted" node="arbiter" score="-INFINITY"',
      'id="cli-ban-msPostgresql-on-arbiter" rsc="msPostgresql" node="arbiter" score="-INFINITY"',
      // Whom it means is not understood.
      'id="e" rsc-pattern="[[" role="Promoted" node="pg01" score="INFINITY"',
    ];
    for (const one of holding) assert.equal(obstacles({ constraints: location(one) }).length, 1, one);
  });

  it('names like those of pgcm that it could not have made are an operator’s', () => {
    const one = 'id="pgcm-move-ä" rsc="msPostgresql" role="Promoted" node="pg01" score="INFINITY"';
    assert.equal(only({ constraints: location(one) }).kind, 'preference');
  });
});

describe("the controller's state", () => {
  const answers = (
    ...states: readonly string[]
  ): { asked: string[][]; get(file: string, args: readonly string[]): Promise<string> } => {
    const left = [...states];
    const asked: string[][] = [];
    return {
      asked,
      get: (file, args) => {
        asked.push([file, ...args]);
        const state = left.length > 1 ? left.shift() : left[0];
        return Promise.resolve(`<pacemaker-result><crmd node_name="pg02" state="${state}" result="ok"/>`);
      },
    };
  };

  it('is waited for while something short is going on, and told when it lasts', async () => {
    const short = answers('S_POLICY_ENGINE', 'S_TRANSITION_ENGINE', 'S_IDLE');
    assert.equal(await settledState(short, 'pg02', 5_000, never), 'S_IDLE');
    assert.deepEqual(short.asked[0], ['crmadmin', '--output-as=xml', '--status', 'pg02']);
    assert.equal(await settledState(answers('S_ELECTION'), 'pg02', 200, never), 'S_ELECTION');
  });

  it('is not guessed from anything else', () => {
    assert.throws(
      () => parseControllerState(''),
      (e) => hasCode(e, 'invalid-answer'),
    );
    assert.throws(
      () => parseControllerState('error: no DC'),
      (e) => hasCode(e, 'invalid-answer'),
    );
  });
});
