import { machineClock } from '../../bench/clock.js';
import { messageOf } from '../../playground/errors.js';
import { rejoin } from '../../playground/rejoin.js';
import type { AgentName } from '../../playground/plan.js';
import type { Site } from './site.js';
import { seconds } from './timeline.js';

const healthyMs = 5_000;
const lookMs = 400;
/** From when the last host was switched on and the last link healed. */
const recoveryMs = 60_000;
/** The stock agent is brought back by hand here, and takes its time. */
const stockRecoveryMs = 180_000;

export interface Recovery {
  /** From the last victim's return until it was healthy; it stayed so for 5 s. */
  readonly ms: number;
  /** What it lacked, when it did not recover in time. */
  readonly violation?: string;
}

/** Waits until the cluster has been healthy for 5 s. */
export async function untilHealthy(
  site: Site,
  agent: AgentName,
  say: (what: string) => void,
): Promise<Recovery> {
  const limit = agent === 'stock' ? stockRecoveryMs : recoveryMs;
  let back = machineClock();
  let hosts = await describeHosts(site);
  let since: number | undefined;
  let said: string | undefined;
  for (;;) {
    const missing = await site.missing();
    const now = machineClock();
    // A host that the cluster fences in the calm comes back later than the last victim.
    const seen = await describeHosts(site);
    if (seen !== hosts) [hosts, back] = [seen, now];
    if (missing === undefined) {
      since ??= now;
      said = undefined;
      if (now - since >= healthyMs) return { ms: Math.max(0, since - back) };
    } else {
      if (since !== undefined) say(`  no longer healthy: waiting for ${missing}`);
      since = undefined;
      if (missing !== said) say(`  waiting for ${missing}`);
      said = missing;
      if (now - back > limit) {
        return { ms: now - back, violation: `not recovered after ${seconds(limit)}: waiting for ${missing}` };
      }
      if (agent === 'stock')
        await rejoin(site.cluster.playground).catch((error: unknown) => messageOf(error));
    }
    await site.wait(lookMs);
  }
}

async function describeHosts(site: Site): Promise<string> {
  const hosts = await site.hosts();
  return hosts.map(({ name, power, cable, since }) => `${name} ${power} ${cable} ${since}`).join();
}
