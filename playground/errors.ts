/** An error whose message is meant for the person at the terminal; the command prints it and ends. */
export class PlaygroundError extends Error {
  override readonly name = 'PlaygroundError';

  /** @param exitStatus 1 for "it did not work", 2 for "it was called wrongly" */
  constructor(
    message: string,
    readonly exitStatus: 1 | 2 = 1,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
