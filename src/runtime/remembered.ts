/** Asks until there was an answer, and gives that one from then on. */
export function remembered<T>(ask: (signal: AbortSignal) => Promise<T>): (signal: AbortSignal) => Promise<T> {
  let known: { readonly value: T } | undefined;
  return async (signal) => {
    known ??= { value: await ask(signal) };
    return known.value;
  };
}
