import { machineClock } from '../../bench/clock.js';
import { hadSwitchover } from '../../bench/earlier-switchover.js';
import { InsideProgram } from '../../bench/inside-program.js';
import { Cluster } from '../acceptance/cluster.js';
import { eventually } from '../support/eventually.js';
import { doublePrimaries, type Sample, type SamplerRecord } from './samples.js';

const intervalMs = 200;
/** A test that was forgotten ends its samplers, too. */
const longestSeconds = 4 * 3_600;
/** A node's last word is old after this. */
const freshMs = 1_500;

export interface Roles {
  readonly old: string;
  readonly target: string;
  readonly third: string;
}

/** A cluster for many cases in a row, whose every PostgreSQL is asked all the time who takes writes. */
export class Arena {
  /** Cases that ran here, for names that are used once. */
  cases = 0;

  private constructor(
    readonly cluster: Cluster,
    private readonly samplers: ReadonlyMap<string, InsideProgram<SamplerRecord>>,
  ) {}

  static async up(name: string): Promise<Arena> {
    const cluster = await Cluster.up(name);
    await hadSwitchover(cluster.playground);
    const config = { intervalMs, seconds: longestSeconds };
    const entries = cluster.nodes.map(
      async (node) =>
        [
          node,
          await InsideProgram.start<SamplerRecord>(
            cluster.playground,
            'test/faults/inside/sampler-main',
            config,
            { host: node },
          ),
        ] as const,
    );
    return new Arena(cluster, new Map(await Promise.all(entries)));
  }

  async down(): Promise<void> {
    for (const sampler of this.samplers.values()) sampler.kill();
    await this.cluster.down();
  }

  async roles(): Promise<Roles> {
    const [old, target] = [await this.cluster.primary(), await this.cluster.sync()];
    const third = this.cluster.nodes.find((node) => node !== old && node !== target) ?? '';
    return { old, target, third };
  }

  /** The nodes that said a moment ago that they take writes. */
  primariesNow(): readonly string[] {
    return [...this.#samples(machineClock() - freshMs)].flatMap(([node, samples]) =>
      samples.at(-1)?.timeline === undefined ? [] : [node],
    );
  }

  async untilPrimary(node: string, limit: number): Promise<void> {
    await eventually(() => this.primariesNow().join() === node, {
      limit,
      every: 100,
      what: `${node} is the primary (${this.primariesNow().join() || 'none'} was at first)`,
    });
  }

  /** @returns what was seen since then of two primaries; also that somebody did not look */
  violations(since: number): readonly string[] {
    const samples = this.#samples(since);
    const idle = [...samples].filter(([, list]) => list.length === 0).map(([node]) => node);
    return [
      ...doublePrimaries(samples),
      ...(idle.length > 0 ? [`nobody asked the PostgreSQL of ${idle.join(', ')}`] : []),
    ];
  }

  #samples(since: number): ReadonlyMap<string, readonly Sample[]> {
    return new Map(
      [...this.samplers].map(([node, { records }]) => [
        node,
        records.filter((record): record is Sample => record.kind === 'sample' && record.asked >= since),
      ]),
    );
  }
}
