import type { CommandName } from '../config/command-names.js';
import type { ConfigOf } from '../config/options.js';
import type { Log } from '../domain/log.js';
import type { NotifyEnvironment } from '../runtime/sd-notify.js';

/** Where a program's output goes. Writing never throws: who reads may be gone. */
export interface Output {
  write(text: string): void;
  /** Whether a person reads it. */
  readonly isTerminal: boolean;
}

/** What a command gets to work with; it touches nothing else of the process. */
export interface CommandContext<C extends CommandName> {
  /** The options that the command says it uses. */
  readonly config: ConfigOf<C>;
  readonly log: Log;
  /** Aborted by the first signal, with an `Interrupted` as its reason, which knows the exit status. */
  readonly signal: AbortSignal;
  /** Of the environment only what the service manager's protocol needs. */
  readonly env: NotifyEnvironment;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** @returns the exit status */
export type Command<C extends CommandName> = (context: CommandContext<C>) => Promise<number>;
