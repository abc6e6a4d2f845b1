import { FailoverRun } from '../acceptance/failover-run.js';
import type { Cluster } from '../acceptance/cluster.js';
import type { HoldPoint } from './hold.js';

let holds = 0;

/** For a machine that is busy. */
const acceptedMs = 60_000;

export interface HeldRunOptions {
  /** A command before it, such as `env` with more of an environment. */
  readonly through?: readonly string[];
  readonly args?: readonly string[];
}

/** A switchover from client01 one of whose steps waits until it is let go. */
export class HeldRun {
  private constructor(
    private readonly cluster: Cluster,
    readonly run: FailoverRun,
    readonly step: string,
    private readonly file: string,
  ) {}

  /**
   * Started, and held there. When the check refuses, nothing was touched and nothing was held yet: a
   * machine that is busy may need another look.
   */
  static async at(
    cluster: Cluster,
    step: string,
    point: HoldPoint,
    options: HeldRunOptions = {},
  ): Promise<HeldRun> {
    const deadline = performance.now() + acceptedMs;
    for (;;) {
      const held = await HeldRun.start(cluster, step, point, options);
      try {
        await held.held();
        return held;
      } catch (error) {
        held.run.signal('SIGKILL');
        const refused = held.run.ended && (await held.run.status()) === 3;
        if (!refused || performance.now() > deadline) throw error;
      }
    }
  }

  /** Started; `held()` tells when it is held. */
  static async start(
    cluster: Cluster,
    step: string,
    point: HoldPoint,
    { through = [], args = [] }: HeldRunOptions = {},
  ): Promise<HeldRun> {
    holds += 1;
    const file = `/run/hold-${holds}`;
    await cluster.output('client01', 'touch', file);
    const program = {
      argv: [...through, 'node', '/opt/pgcm/dist/test/faults/held-main.js'],
      environment: { TEST_HOLD_AT: `${step}:${point}`, TEST_HOLD_FILE: file },
    };
    const run = await FailoverRun.startProgram(cluster.playground, 'client01', program, ...args);
    return new HeldRun(cluster, run, step, file);
  }

  held(): Promise<void> {
    return this.run.reached('test.held', this.step);
  }

  async release(): Promise<void> {
    await this.cluster.output('client01', 'rm', '-f', this.file);
  }
}
