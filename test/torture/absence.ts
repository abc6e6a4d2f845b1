import { machineClock } from '../../bench/clock.js';
import { messageOf } from '../../playground/errors.js';
import type { Recovery } from './calm.js';
import type { Site } from './site.js';
import { seconds } from './timeline.js';

const limitMs = 30_000;
const lookMs = 100;

/**
 * A healthy cluster loses one node for as long as it takes: the others are a quorum with an entitled member, so every
 * client of theirs is served again before the lost one is back.
 */
export async function withoutOne(site: Site, draw: number, say: (what: string) => void): Promise<Recovery> {
  const victim = draw < 0.6 ? await site.primary() : await site.standby((draw - 0.6) / 0.4);
  if (victim === undefined) return { ms: 0, violation: 'a healthy cluster without anybody to switch off' };
  const { playground } = site.cluster;
  site.held.add(victim);
  await playground.kill(victim);
  const since = machineClock();
  say(`power: ${victim}, until the others have served every client of theirs`);
  try {
    for (;;) {
      const waiting = site.writers.notAnsweredSince(since).filter((name) => !name.endsWith(victim));
      const ms = machineClock() - since;
      if (waiting.length === 0) {
        say(`  every client was served without ${victim} after ${seconds(ms)}`);
        return { ms };
      }
      if (ms > limitMs) {
        const who = [...new Set(waiting)].join(', ');
        return {
          ms,
          violation: `without ${victim} clients of ${who} were not served for ${seconds(limitMs)}`,
        };
      }
      await site.wait(lookMs);
    }
  } finally {
    await playground.start(victim).catch((error: unknown) => site.complain(messageOf(error)));
    site.held.delete(victim);
    say(`  ${victim} on again`);
  }
}
