import { describeError } from '../domain/errors.js';
import type { NodeApi } from '../domain/node-api.js';
import type { PauseRequest, ProxyState } from '../domain/switchover.js';
import type { CleanupContext } from './context.js';

/** What runs that are dead have left. */
export interface Traces {
  readonly request: PauseRequest | undefined;
  /** The proxies that hold their clients for some run. */
  readonly paused: readonly { readonly proxy: ProxyState; readonly run: string }[];
  /** The moves that are still asked for, by the run's id. */
  readonly moves: readonly string[];
  /** Who told of them, to be asked first to take them back. */
  readonly informant: NodeApi | undefined;
  /** What could not be found out. */
  readonly unknown: readonly string[];
}

/** Looks everywhere at once. What does not answer is in `unknown`. */
export async function findTraces(context: CleanupContext, signal: AbortSignal): Promise<Traces> {
  const { requests, proxies, apis } = context;
  const unknown: string[] = [];
  const ask = async <T>(what: string, question: Promise<T>): Promise<T | undefined> => {
    try {
      return await question;
    } catch (error) {
      signal.throwIfAborted();
      unknown.push(`${what}: ${describeError(error)}`);
      return undefined;
    }
  };
  const [request, listing, told] = await Promise.all([
    ask('whether a pause is requested is not known', requests.read(signal)),
    ask('which proxies hold their clients is not known', proxies.list(signal)),
    Promise.all(apis.map((api) => movesKnownTo(api, context, signal))),
  ]);
  unknown.push(...(listing?.problems ?? []));
  const informed = told.find(({ moves }) => moves !== undefined);
  if (informed === undefined) {
    const said = told.map(({ why }) => why).join('; ');
    unknown.push(`no node could say whether a move is still asked for: ${said}`);
  }
  return {
    request,
    paused: (listing?.proxies ?? []).flatMap((proxy) =>
      proxy.pause.kind === 'paused' ? [{ proxy, run: proxy.pause.request }] : [],
    ),
    moves: [...new Set(told.flatMap(({ moves }) => moves ?? []))],
    informant: informed?.api,
    unknown,
  };
}

/** The ids of all runs that have left something, those that keep clients waiting first. */
export function runsOf({ request, paused, moves }: Traces): readonly string[] {
  const ids = [...(request === undefined ? [] : [request.id]), ...paused.map(({ run }) => run), ...moves];
  return [...new Set(ids)];
}

interface Told {
  readonly api: NodeApi;
  readonly moves: readonly string[] | undefined;
  readonly why: string;
}

async function movesKnownTo(api: NodeApi, { options }: CleanupContext, signal: AbortSignal): Promise<Told> {
  try {
    const { manager, problems } = await api.inspect(options.inspectTimeout, signal);
    return { api, moves: manager?.moves, why: `${api.endpoint}: ${problems.join(', ')}` };
  } catch (error) {
    signal.throwIfAborted();
    return { api, moves: undefined, why: `${api.endpoint}: ${describeError(error)}` };
  }
}
