import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseCrmMon } from '../../src/cluster/pacemaker/crm-mon.js';
import { PgcmError } from '../../src/domain/errors.js';
import { packageFile } from '../../src/runtime/package-root.js';

/** Printed by Pacemaker 2.1.5 of a three-node cluster with ocf:heartbeat:pgsql in rep_mode=sync. */
const healthy = readFileSync(packageFile('test', 'fixtures', 'crm_mon', 'healthy.xml'), 'utf8');

function parse(xml: string, resource = 'msPostgresql'): ReturnType<typeof parseCrmMon> {
  return parseCrmMon(xml, resource);
}

function refused(xml: string, message: RegExp, resource?: string): void {
  assert.throws(
    () => parse(xml, resource),
    (error) => error instanceof PgcmError && error.code === 'invalid-answer' && message.test(error.message),
  );
}

describe('crm_mon', () => {
  it('reads roles, sync states, quorum and node ids of a healthy cluster', () => {
    const look = parse(healthy);
    assert.equal(look.quorum, true);
    assert.deepEqual(look.primary, { kind: 'one', name: 'pg01' });
    assert.deepEqual(
      look.members.map((m) => [m.name, m.role, m.syncState, m.online, m.unclean]),
      [
        ['pg01', 'primary', 'unknown', true, false],
        ['pg02', 'standby', 'sync', true, false],
        ['pg03', 'standby', 'async', true, false],
      ],
    );
    assert.deepEqual(
      [...look.nodeIds],
      [
        ['pg01', '1'],
        ['pg02', '2'],
        ['pg03', '3'],
      ],
    );
  });

  it('reads the role names of before Pacemaker 2.1', () => {
    const old = healthy
      .replaceAll('role="Promoted"', 'role="Master"')
      .replaceAll('role="Unpromoted"', 'role="Slave"');
    assert.deepEqual(parse(old).primary, { kind: 'one', name: 'pg01' });
    assert.equal(parse(old).members[1]?.role, 'standby');
  });

  it('tells no primary, two primaries and no quorum apart', () => {
    assert.equal(parse(healthy.replace('role="Promoted"', 'role="Unpromoted"')).primary.kind, 'none');
    assert.deepEqual(parse(healthy.replaceAll('role="Unpromoted"', 'role="Promoted"')).primary, {
      kind: 'several',
      names: ['pg01', 'pg02', 'pg03'],
    });
    assert.equal(parse(healthy.replace('with_quorum="true"', 'with_quorum="false"')).quorum, false);
    assert.equal(
      parse(healthy.replace('<current_dc present="true"', '<current_dc present="false"')).quorum,
      false,
    );
  });

  it('does not take the promoted instance of an unclean node for the primary', () => {
    const unclean = healthy.replace(
      /(<node name="pg01" id="1" online="true"[^>]*)unclean="false"/,
      '$1unclean="true"',
    );
    assert.notEqual(unclean, healthy);
    assert.equal(parse(unclean).primary.kind, 'none');
  });

  it('names the clones there are when the configured one is missing', () => {
    refused(healthy, /no clone other .*msPostgresql.*pacemaker-resource/, 'other');
  });

  it('refuses nothing, rubbish, other XML, and output that was cut short', () => {
    refused('', /nothing/);
    refused('Error: cluster is not available on this node', /no complete XML/);
    refused('<a/>', /no complete XML/);
    refused('<pacemaker-result></pacemaker-result>', /not understood/);
    refused(healthy.slice(0, healthy.length / 2), /no complete XML/);
    refused(healthy.replace('online="true"', 'online="perhaps"'), /not understood/);
    refused(healthy.replaceAll('orphaned="false"', ''), /not understood: @orphaned/);
    // The parser throws at these.
    refused('<a b="></pacemaker-result>', /not understood/);
    refused('<!DOCTYPE</pacemaker-result>', /not understood/);
  });
});
