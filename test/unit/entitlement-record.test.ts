import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { entitling, type Entitlement } from '../../src/domain/entitlement.js';
import { hasCode } from '../../src/domain/errors.js';
import { entitlement } from '../../src/records/entitlement.js';

const record: Entitlement = {
  system: '7301234567890123456',
  counter: 42,
  primary: 'pg01',
  timeline: 5,
  claim: undefined,
  entitled: new Map([
    ['pg02', 0x5000028n],
    ['pg01', 0x3000000n],
  ]),
  highest: 6,
};

/** What the agent takes apart with sed. */
const line =
  '{"system":"7301234567890123456","counter":42,"primary":"pg01","timeline":5,"claimant":"","claimed":0,' +
  '"entitled":{"pg01":"0/3000000","pg02":"0/5000028"},"highest":6}';

describe('the record of who may be promoted', () => {
  it('is one line without blanks, its fields in the order that the agent expects', () => {
    assert.equal(entitlement.serialise(record), line);
  });

  it('reads what it writes, with a claim as well', () => {
    assert.deepEqual(entitlement.parse(Buffer.from(line), '/k'), {
      ...record,
      entitled: new Map([...record.entitled].sort()),
    });
    const claimed = { ...record, claim: { member: 'pg02', timeline: 6 } };
    const text = entitlement.serialise(claimed);
    assert.match(text, /"claimant":"pg02","claimed":6,/);
    assert.deepEqual(entitlement.parse(Buffer.from(text), '/k').claim, { member: 'pg02', timeline: 6 });
  });

  it('refuses what nobody may be promoted by', () => {
    const wrong = [
      ['"pg01":"0/3000000"', '"pg01":"0/30000zz"'],
      ['"primary":"pg01"', '"primary":"-rf"'],
      ['"timeline":5', '"timeline":0'],
      ['"counter":42', '"counter":-1'],
      ['"system":"7301234567890123456"', '"system":7301234567890123456'],
      ['"highest":6', '"highest":"6"'],
    ] as const;
    for (const [right, other] of wrong) {
      const text = line.replace(right, other);
      assert.notEqual(text, line);
      assert.throws(
        () => entitlement.parse(Buffer.from(text), '/pgcm/entitlement'),
        (error) => hasCode(error, 'invalid-answer') && error.message.includes('/pgcm/entitlement'),
        other,
      );
    }
  });

  it('has another counter with each write, and the claim is gone when its primary writes it', () => {
    const claimed = { ...record, claim: { member: 'pg02', timeline: 6 } };
    assert.deepEqual(entitling(claimed, new Map([['pg01', 1n]])), {
      ...record,
      counter: 43,
      entitled: new Map([['pg01', 1n]]),
    });
  });
});
