/**
 * The rules of entitlement that the model can do without, one by one. A number is the rule's own; a word
 * after it names the part of the rule that is taken out.
 */
export const rules = {
  '1': 'a write whose outcome is in doubt is settled by another compare-and-set, never by a read',
  '1-before': 'the revision compared is the one read before synchronous_standby_names was touched',
  '2': 'synchronous_standby_names is changed over a session that holds the advisory lock',
  '2-agent': 'the agent lifts its barrier over such a session, too',
  '2-own': 'supervise writes only a record that names its own member and its current timeline',
  '3': 'to grow waits for the proof that every commit waits for the barrier',
  '3-count': 'the barrier is a count that no number of walsenders reaches, not one name more',
  '3-slots': 'a standby streams through a slot of its own, so that it never has two walsenders',
  '3-copies': "a list is replaced only once every walsender's own copy has the barrier",
  '3-flush': 'to grow waits until the new standby has flushed what was there at the proof',
  '4': 'to shrink writes the record first, then synchronous_standby_names',
  '4-always': 'a name leaves synchronous_standby_names only after a write, though the record never had it',
  '5': 'a standby is gone only if a connection opened afterwards says so',
  '6': 'the last standby gone: asynchronous only once the record says so',
  '7': 'a standby runs with the barrier in its own settings, so a new primary acknowledges nothing',
  '8': 'only a member that the record entitles is promoted',
  '8-confirm': 'the barrier of a new primary is lifted after the second compare-and-set only',
  '9': 'no timeline number is used twice: the next one is above every number ever reserved',
  '9-rewind': 'nobody rewinds onto a primary that is not confirmed',
  '9-step-down': 'a member whose confirmation fails steps down',
  '10': 'an entitled member does not wait for the shutdown checkpoint of the old primary for ever',
  '11': 'monitor fails a primary whose confirmed record names another',
  '11-timeline': 'it also fails one that the record names on another timeline: promoted, never confirmed',
  '15': 'a member withdraws itself before a rewind touches its data',
  '15-always': 'it does so with a write, though the record does not name it',
} as const;

export type Rule = keyof typeof rules;

export function isRule(text: string): text is Rule {
  return Object.hasOwn(rules, text);
}

/** Which rules are kept. */
export type Rules = Readonly<Record<Rule, boolean>>;

export function rulesWithout(...left: readonly Rule[]): Rules {
  const names = Object.keys(rules) as Rule[];
  return Object.fromEntries(names.map((rule) => [rule, !left.includes(rule)])) as Record<Rule, boolean>;
}
