const flushMs = 200;

/**
 * Writes records to standard output, some times a second: a write for each would cost the machine
 * more than the load itself.
 */
export class Emitter {
  #lines: string[] = [];
  readonly #timer = setInterval(() => this.flush(), flushMs);

  emit(record: object): void {
    this.#lines.push(`${JSON.stringify(record)}\n`);
  }

  flush(): void {
    if (this.#lines.length === 0) return;
    process.stdout.write(this.#lines.join(''));
    this.#lines = [];
  }

  end(): void {
    clearInterval(this.#timer);
    this.flush();
  }
}

/** Aborted by SIGTERM or SIGINT, when the driver is gone, and after this time in any case. */
export function stopSignal(seconds: number): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', stop);
  // Nobody reads any more: there is nothing to go on for.
  process.stdout.on('error', stop);
  return AbortSignal.any([controller.signal, AbortSignal.timeout(seconds * 1_000)]);
}
