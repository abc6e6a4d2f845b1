import { quote } from '../../domain/address.js';
import { PgcmError } from '../../domain/errors.js';
import type { Milliseconds } from '../../domain/time.js';
import { sleep } from '../../runtime/deadline.js';
import { parseConstraints, type LocationConstraint } from './constraints.js';
import type { PacemakerTools } from './tools.js';

/** What the ids of our constraints begin with; the switchover's id follows. */
const PREFIX = 'pgcm-move-';

/**
 * The last resort if nobody takes the constraint back. It becomes a wall-clock date, which Pacemaker's
 * controller compares with its own clock: a short one would be over at once where clocks differ.
 */
const LIFETIME: Milliseconds = 10 * 60_000;

/** How long a constraint that was deleted may still be seen: the deletion reaches each node by itself. */
const GONE_WITHIN: Milliseconds = 1_000;
const LOOK_AGAIN: Milliseconds = 50;

export type MoveTools = Pick<PacemakerTools, 'addConstraint' | 'constraints' | 'change'>;

/**
 * Moves of the primary by a location constraint of our own, as `crm_resource --move --promoted` makes
 * them, but under an id that names the switchover: an operator's own preferences (`cli-prefer-*`) and
 * bans are never touched, and a run takes back exactly what it asked for.
 */
export class Moves {
  readonly #tools: MoveTools;
  readonly #resource: string;

  /** @param resource the id of the promotable clone, checked */
  constructor(tools: MoveTools, resource: string) {
    this.#tools = tools;
    this.#resource = resource;
  }

  async ask(member: string, switchover: string, signal: AbortSignal): Promise<void> {
    const xml = moveXml(this.#resource, member, switchover, new Date(Date.now() + LIFETIME));
    if ((await this.#tools.addConstraint(xml, signal)) === 'added') return;
    // The answer to an earlier try of this switchover was lost on the way: it is accepted all the same.
    const [there] = (await this.constraints(signal)).filter((c) => c.id === PREFIX + switchover);
    const to = there?.preferences[0]?.node;
    if (to === member) return;
    throw new PgcmError(
      'conflict',
      `Pacemaker has the constraint ${PREFIX}${switchover} already, for ${to ?? 'no node'} in place of ${member}`,
    );
  }

  /** @param switchover only this one's move; without it all of pgcm's, also those that have expired */
  async cancel(switchover: string | undefined, signal: AbortSignal): Promise<readonly string[]> {
    if (switchover !== undefined) requireId(switchover);
    const asked = (ids: readonly string[]): readonly string[] =>
      ids.filter((id) => switchover === undefined || id === switchover);
    const found = asked(await this.list(signal));
    for (const id of found) {
      const xml = `<rsc_location id="${PREFIX}${id}"/>`;
      await this.#tools.change('cibadmin', ['--delete', '--xml-text', xml], signal);
    }
    if (found.length > 0) await this.#verifyGone(found, signal);
    return found;
  }

  /** A move that is asked for while this looks is another run's: only what was deleted has to be gone. */
  async #verifyGone(ids: readonly string[], signal: AbortSignal): Promise<void> {
    for (let waited = 0; ; waited += LOOK_AGAIN) {
      const left = (await this.list(signal)).filter((id) => ids.includes(id));
      if (left.length === 0) return;
      if (waited >= GONE_WITHIN) {
        throw new PgcmError(
          'conflict',
          `cibadmin deleted ${left.map((id) => PREFIX + id).join(', ')}, yet Pacemaker still has it: ` +
            `somebody moved again, or this node is cut off from the others`,
          { retryable: true },
        );
      }
      // An abort ends the next look.
      await sleep(LOOK_AGAIN, signal);
    }
  }

  /** The ids of the switchovers whose constraint is there, expired or not. */
  async list(signal: AbortSignal): Promise<readonly string[]> {
    return movesAmong(await this.constraints(signal));
  }

  async constraints(signal: AbortSignal): Promise<readonly LocationConstraint[]> {
    const xml = await this.#tools.constraints(signal);
    return xml === undefined ? [] : parseConstraints(xml);
  }
}

export function movesAmong(constraints: readonly LocationConstraint[]): readonly string[] {
  return constraints.flatMap(({ id }) => switchoverOf(id) ?? []);
}

/** The switchover that a constraint is of; undefined for everybody else's. */
export function switchoverOf(constraint: string): string | undefined {
  if (!constraint.startsWith(PREFIX)) return undefined;
  const id = constraint.slice(PREFIX.length);
  return isId(id) ? id : undefined;
}

/** The constraint, with ids of its own for each part, as the CIB wants them. */
export function moveXml(resource: string, member: string, switchover: string, end: Date): string {
  requireId(switchover);
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253})$/.test(member)) {
    throw new PgcmError('invalid-answer', `${quote(member)} is not the name of a node`);
  }
  const id = PREFIX + switchover;
  const until = `${end.toISOString().slice(0, 19).replace('T', ' ')}Z`;
  return [
    `<rsc_location id="${id}" rsc="${resource}" role="Promoted">`,
    `<rule id="${id}-rule" score="INFINITY" boolean-op="and">`,
    `<expression id="${id}-node" attribute="#uname" operation="eq" value="${member}" type="string"/>`,
    `<date_expression id="${id}-end" operation="lt" end="${until}"/>`,
    `</rule></rsc_location>`,
  ].join('');
}

/** It comes from whoever calls the API and gets into XML: a UUID, or at least as harmless. */
function isId(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(text);
}

function requireId(switchover: string): void {
  if (isId(switchover)) return;
  throw new PgcmError(
    'usage',
    `${quote(switchover)} is no id of a switchover: up to 64 letters, digits, "-", "_" and "."`,
  );
}
