import { parseArgs, type ParseArgsConfig } from 'node:util';
import { messageOf, UsageError } from './errors.js';

/** @throws UsageError with one line for anything that is not understood */
export function readArguments<const C extends ParseArgsConfig>(
  config: C,
): ReturnType<typeof parseArgs<C & { allowPositionals: true; strict: true }>> {
  try {
    return parseArgs({ ...config, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(`${messageOf(error).split('. ')[0] ?? ''} (see --help)`);
  }
}

/** @throws UsageError unless the text is a whole number of at least `least` */
export function wholeNumber(option: string, text: string, least: number): number {
  if (/^\d{1,6}$/.test(text) && Number(text) >= least) return Number(text);
  throw new UsageError(`--${option}: '${text}' is not a whole number from ${least} up`);
}

/** @throws UsageError unless the word is one of these */
export function oneOf<const W extends string>(option: string, word: string, words: readonly W[]): W {
  const found = words.find((one) => one === word);
  if (found === undefined) throw new UsageError(`--${option}: '${word}' is none of ${words.join(', ')}`);
  return found;
}
