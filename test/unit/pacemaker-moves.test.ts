import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseConstraints } from '../../src/cluster/pacemaker/constraints.js';
import { moveXml, Moves, switchoverOf, type MoveTools } from '../../src/cluster/pacemaker/moves.js';
import { hasCode } from '../../src/domain/errors.js';
import { packageFile } from '../../src/runtime/package-root.js';

const never = new AbortController().signal;
const first = '3e0ab1de-7d4c-4e4f-8e0b-000000000001';
const second = '3e0ab1de-7d4c-4e4f-8e0b-000000000002';

/** Printed by Pacemaker 2.1.5: a ban, two preferences of an operator, an expired one, and a move of ours. */
const operators = readFileSync(packageFile('test', 'fixtures', 'cib', 'operator-constraints.xml'), 'utf8');

/** The constraints of a CIB, as cibadmin shows and changes them. */
class FakeCib implements MoveTools {
  readonly elements = new Map<string, string>();
  /** The deletion of these has not reached this node yet, for so many looks. */
  lateLooks = 0;
  readonly deleted: string[] = [];

  addConstraint(xml: string): Promise<'added' | 'exists'> {
    const id = idOf(xml);
    if (this.elements.has(id)) return Promise.resolve('exists');
    this.elements.set(id, xml);
    return Promise.resolve('added');
  }

  constraints(): Promise<string> {
    if (this.deleted.length > 0) {
      if (this.lateLooks > 0) this.lateLooks -= 1;
      else for (const id of this.deleted) this.elements.delete(id);
    }
    const all = [...this.elements.values()].join('');
    return Promise.resolve(all === '' ? '<constraints/>' : `<constraints>${all}</constraints>`);
  }

  change(file: string, args: readonly string[]): Promise<void> {
    assert.deepEqual([file, ...args.slice(0, 2)], ['cibadmin', '--delete', '--xml-text']);
    this.deleted.push(idOf(args[2] ?? ''));
    return Promise.resolve();
  }
}

function idOf(xml: string): string {
  return /^<rsc_location id="([^"]*)"/.exec(xml)?.[1] ?? assert.fail(xml);
}

describe('moves in Pacemaker', () => {
  it('asks with a constraint that names the switchover and ends by itself', async () => {
    const cib = new FakeCib();
    const before = Date.now();
    await new Moves(cib, 'msPostgresql').ask('pg02', first, never);
    const [constraint] = parseConstraints(await cib.constraints());
    assert.equal(constraint?.id, `pgcm-move-${first}`);
    assert.deepEqual(constraint.resources, ['msPostgresql']);
    const [preference] = constraint.preferences;
    assert.deepEqual(
      [preference?.score, preference?.role, preference?.node],
      ['INFINITY', 'Promoted', 'pg02'],
    );
    const lifetime = (preference?.end ?? 0) - before;
    assert.ok(lifetime > 9.9 * 60_000 && lifetime < 10.1 * 60_000, `${lifetime} ms`);
  });

  it('takes asking again for the same as done, and refuses another target under the same id', async () => {
    const moves = new Moves(new FakeCib(), 'msPostgresql');
    await moves.ask('pg02', first, never);
    await moves.ask('pg02', first, never);
    await assert.rejects(moves.ask('pg03', first, never), (e) => hasCode(e, 'conflict'));
  });

  it('takes back exactly the one asked for, or all of its own, and nothing of an operator', async () => {
    const cib = new FakeCib();
    for (const [xml] of operators.matchAll(/<rsc_location [^>]*\/>|<rsc_location [\s\S]*?<\/rsc_location>/g))
      cib.elements.set(idOf(xml), xml);
    const ofOperators = [...cib.elements.keys()].filter((id) => !id.startsWith('pgcm-move-'));
    assert.equal(ofOperators.length, 4);
    const moves = new Moves(cib, 'msPostgresql');
    await moves.ask('pg01', first, never);
    assert.deepEqual(await moves.list(never), [second, first]);

    assert.deepEqual(await moves.cancel(first, never), [first]);
    assert.deepEqual(await moves.list(never), [second], 'the expired one of another run is not its own');
    assert.deepEqual(await moves.cancel(first, never), [], 'it was gone');
    assert.deepEqual(await moves.cancel(undefined, never), [second], 'an expired one, too');
    assert.deepEqual([...cib.elements.keys()], ofOperators);
  });

  it('waits until a deletion is seen here, and says so when it never is', async () => {
    const cib = new FakeCib();
    const moves = new Moves(cib, 'msPostgresql');
    await moves.ask('pg01', first, never);
    cib.lateLooks = 3;
    assert.deepEqual(await moves.cancel(first, never), [first]);
    await moves.ask('pg01', second, never);
    cib.lateLooks = Infinity;
    await assert.rejects(
      moves.cancel(second, never),
      (e) => hasCode(e, 'conflict') && e.message.includes(second),
    );
  });

  it('lets nothing into the XML that is not a plain name', async () => {
    const moves = new Moves(new FakeCib(), 'msPostgresql');
    for (const bad of ['', '-x', 'a b', 'a"/><rsc_location', "'", 'a&amp;', 'é', 'x'.repeat(65)]) {
      assert.throws(() => moveXml('msPostgresql', 'pg01', bad, new Date()), /no id of a switchover/);
      await assert.rejects(moves.cancel(bad, never), (e) => hasCode(e, 'usage'));
    }
    for (const bad of ['', 'pg01"', 'pg 01', '<pg01>'])
      assert.throws(() => moveXml('msPostgresql', bad, first, new Date()), /not the name of a node/);
  });

  it('takes only what it could have made for its own', () => {
    assert.equal(switchoverOf(`pgcm-move-${first}`), first);
    for (const other of ['cli-prefer-msPostgresql', 'pgcm-move-', 'pgcm-move-a:b', 'xpgcm-move-1'])
      assert.equal(switchoverOf(other), undefined, other);
  });
});

describe('constraints of Pacemaker', () => {
  it('reads what an operator made: by itself, by rules, with an end', () => {
    const read = parseConstraints(operators).map((c) => [c.id, c.resources, c.preferences]);
    const end = (text: string): number => Date.parse(text);
    assert.deepEqual(read.slice(0, 4), [
      [
        'cli-ban-msPostgresql-on-pg02',
        ['msPostgresql'],
        [{ score: '-INFINITY', role: 'Promoted', node: 'pg02', end: undefined }],
      ],
      [
        'cli-prefer-msPostgresql',
        ['msPostgresql'],
        [{ score: 'INFINITY', role: 'Promoted', node: 'pg01', end: end('2026-11-21T13:15:19Z') }],
      ],
      [
        'operators-choice',
        ['pgsql'],
        [{ score: 'INFINITY', role: 'Promoted', node: 'pg03', end: undefined }],
      ],
      [
        'old',
        ['msPostgresql'],
        [{ score: 'INFINITY', role: 'Promoted', node: 'pg03', end: end('2026-11-21T10:00:00Z') }],
      ],
    ]);
  });

  it('reads sets and patterns, and takes an end that may not be the end for none', () => {
    const [set, pattern, either] = parseConstraints(
      `<constraints>
        <rsc_location id="a" score="-INFINITY" node="pg01"><resource_set id="s"><resource_ref id="x"/><resource_ref id="y"/></resource_set><resource_set id="t"/></rsc_location>
        <rsc_location id="b" rsc-pattern="^pg" node="pg01" score="5"/>
        <rsc_location id="c" rsc="x"><rule id="r" score="INFINITY" boolean-op="or"><expression id="e" attribute="#uname" operation="eq" value="pg01"/><date_expression id="d" operation="lt" end="2026-11-21"/></rule></rsc_location>
        <rsc_colocation id="d" rsc="x" with-rsc="y"/>
      </constraints>`,
    );
    assert.deepEqual(set?.resources, ['x', 'y']);
    assert.equal(pattern?.pattern, '^pg');
    assert.deepEqual(either?.preferences, [
      { score: 'INFINITY', role: undefined, node: undefined, end: undefined },
    ]);
    assert.deepEqual(parseConstraints('<constraints/>'), []);
  });

  it('refuses output that was cut short, and other XML', () => {
    for (const text of ['', operators.slice(0, 300), 'Call cib_query failed', '<cib/>'])
      assert.throws(
        () => parseConstraints(text),
        (e) => hasCode(e, 'invalid-answer'),
      );
    assert.throws(
      () => parseConstraints('<constraints><rsc_location/></constraints>'),
      (e) => hasCode(e, 'invalid-answer'),
    );
  });
});
