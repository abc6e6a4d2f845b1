import type { AppliedOutput, Output } from '../../src/domain/output.js';
import type { RouteView } from '../../src/domain/route-view.js';

/** An output in memory: which views it was brought to. */
export class FakeOutput implements Output {
  readonly name = 'fake';
  readonly applied: string[] = [];
  failure: Error | undefined;
  staleTemplate: string | undefined;
  /** Set to let an apply hang until its signal is aborted. */
  hangs = false;
  attempts = 0;
  #text: string | undefined;

  isCurrent(view: RouteView): boolean {
    return this.#text === textOf(view);
  }

  async apply(view: RouteView, signal: AbortSignal): Promise<AppliedOutput> {
    this.attempts += 1;
    if (this.hangs) {
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
    }
    if (this.failure !== undefined) throw this.failure;
    this.#text = textOf(view);
    this.applied.push(this.#text);
    return { outcome: 'written', reloaded: true, staleTemplate: this.staleTemplate };
  }
}

function textOf({ host, replicas }: RouteView): string {
  return [host, ...replicas.map(({ name }) => name)].join(' ');
}
