import { describeError } from '../domain/errors.js';
import type { CleanupContext } from './context.js';

/** Forgets a proxy that is not coming back, so that no check names it any more. */
export async function forgetProxy(
  { options, proxies, say }: CleanupContext,
  signal: AbortSignal,
): Promise<void> {
  const id = options.forgetProxy;
  if (id === '') return;
  try {
    const listing = await proxies.list(signal);
    if (listing.proxies.some((proxy) => proxy.id === id)) {
      const way = 'stop it first, and wait 10 s';
      say({ kind: 'left', text: `proxy ${id} is registered, so it is not forgotten: ${way}` });
    } else if (await proxies.forget(id, signal)) {
      say({ kind: 'done', text: `proxy ${id}: forgotten` });
    } else {
      const known = (await proxies.seen(signal)).map((seen) => seen.id).join(', ') || 'none';
      say({ kind: 'note', text: `proxy ${id}: no proxy of this id was ever here (known: ${known})` });
    }
  } catch (error) {
    signal.throwIfAborted();
    say({ kind: 'left', text: `proxy ${id} could not be forgotten: ${describeError(error)}` });
  }
}
