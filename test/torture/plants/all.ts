import type { Plant } from '../plants.js';

/** The mistakes that the protocol is there to rule out (docs/model.md), each in the fewest words that make it. */
export const plants: readonly Plant[] = [
  {
    name: 'entitled-before-proof',
    says: 'a standby is entitled when it streams, at the position that it has, without the proof that this is all',
    edits: [
      {
        file: 'dist/src/supervise/entitler.js',
        find: 'const { position, since } = await prove(this.#session, rows, standbys, isMember, signal);',
        replace:
          'const since = monotonic(); const seen = await this.#session.look(signal); const position = seen.walsenders.find(({ name }) => added.includes(name))?.flushed ?? seen.flushed;',
      },
    ],
  },
  {
    name: 'promoted-by-position',
    says: 'any standby may be promoted that is not behind, entitled or not, and those that are not happen to be preferred',
    edits: [
      {
        file: 'agent/lib/promote.sh',
        find: '    is_entitled "$me" || {\n        why_not="the record in etcd (counter $record_counter) entitles $record_entitled, not $me"\n        return 1\n    }\n',
        replace: '    is_entitled "$me" || entitled_at=0/0\n',
      },
      {
        file: 'agent/lib/scores.sh',
        find: "data_status 'STREAMING|ASYNC'\n        score -INFINITY\n",
        replace: "data_status 'STREAMING|ASYNC'\n        score 200\n",
      },
    ],
  },
  {
    name: 'degraded-before-record',
    says: 'the primary goes on alone at once when its standby is gone, and writes the record afterwards',
    edits: [
      {
        file: 'dist/src/supervise/entitlement-keeper.js',
        find: 'const read = await this.#read(signal);',
        replace: 'const read = own;',
      },
      {
        file: 'dist/src/supervise/entitler.js',
        find: 'await this.#write(read, this.#kept(read, standbys), signal);',
        replace: 'const writeLate = () => this.#write(read, this.#kept(read, standbys), signal);',
      },
      {
        file: 'dist/src/supervise/entitler.js',
        find: 'if (names === wanted)\n            return;',
        replace: 'if (names === wanted)\n            return writeLate();',
      },
      {
        file: 'dist/src/supervise/entitler.js',
        find: 'await settle(this.#session, standbys, signal);\n        }\n        await this.#setList(standbys, signal);',
        replace:
          'await settle(this.#session, standbys, signal);\n        }\n        await this.#setList(standbys, signal);\n        await writeLate();',
      },
    ],
  },
  {
    name: 'rewind-by-number',
    says: 'a timeline number is used again after a claim that came to nothing, and taken for the same history',
    edits: [
      {
        file: 'agent/lib/promote.sh',
        find: '    timeline=$((record_highest + 1))\n',
        replace: '    timeline=$((record_timeline + 1))\n',
      },
      {
        file: 'agent/lib/history.sh',
        find: 'is_same_timeline() {\n',
        replace: 'is_same_timeline() {\n    return 0\n',
      },
    ],
  },
];
