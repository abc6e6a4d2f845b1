import Handlebars from 'handlebars';
import { describeError, PgcmError } from '../domain/errors.js';
import type { RouteView } from '../domain/route-view.js';
import { fromGoTemplate } from './go-template.js';
import { checkNames, type Mistake } from './template-check.js';
import { templateContext, templateNames } from './template-names.js';
import { trialView } from './trial-views.js';

export interface Template {
  render(view: RouteView): string;
  /** Whether the primary's address is in it. */
  readonly usesHost: boolean;
}

/**
 * Compiles a template. `{{.Host}}` (as in templates for pgsql-cluster-manager, which are Go's), `{{Host}}` and
 * `{{host}}` are the primary's address; the other names stand in template-names.ts; #if, #unless and #each
 * are those of Handlebars. Nothing is HTML-escaped: the result is no HTML.
 *
 * @param name the template's file, for messages
 * @throws PgcmError `bad-template` as `FILE:LINE:COLUMN: why`; both count from 1
 */
export function compileTemplate(source: string, name: string): Template {
  const { text, hasGoComment, goOnly } = fromGoTemplate(source);
  if (goOnly !== undefined) throw badTemplate(name, { ...position(source, goOnly.offset), why: goOnly.why });
  const tree = parse(text, name, hasGoComment);
  const { mistake, used } = checkNames(tree, templateNames);
  if (mistake !== undefined) throw badTemplate(name, mistake);
  if (used.size === 0) {
    const why =
      'it does not use {{.Host}} anywhere, nor another name: what is made from it would follow nothing';
    throw badTemplate(name, { line: 1, column: 1, why });
  }
  // An environment of its own: nobody else's helpers or partials are in it.
  const render = Handlebars.create().compile<unknown>(tree, {
    noEscape: true,
    strict: true,
    knownHelpersOnly: true,
    // compile goes over the white space of the tree again.
    ignoreStandalone: hasGoComment,
  });
  const template = {
    render: (view: RouteView) => render(templateContext(view)),
    usesHost: used.has('Host') || used.has('host'),
  };
  try {
    // Handlebars compiles at the first use: what it finds then has to come out now.
    template.render(trialView());
  } catch (error) {
    throw new PgcmError('bad-template', `${name}: ${describeError(error)}`, { cause: error });
  }
  return template;
}

function parse(text: string, name: string, ignoreStandalone: boolean): hbs.AST.Program {
  try {
    return Handlebars.parse(text, { ignoreStandalone });
  } catch (error) {
    // Its own text, a drawing with the names of tokens, is not even a cause: an operator would have to read it.
    throw badTemplate(name, { ...parseErrorPosition(error), why: parseErrorText(error) });
  }
}

function badTemplate(name: string, { line, column, why }: Mistake): PgcmError {
  return new PgcmError('bad-template', `${name}:${line}:${column}: ${why}`);
}

function position(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 };
}

/**
 * An error of the grammar carries no position; the lexer stands where it happened. One that Handlebars
 * finds in the tree (`{{#if x}}...{{/each}}`) carries it.
 */
function parseErrorPosition(error: unknown): { line: number; column: number } {
  const own = error as { lineNumber?: number; column?: number };
  if (own.lineNumber !== undefined && own.column !== undefined) {
    return { line: own.lineNumber, column: own.column + 1 };
  }
  const { lexer } = (Handlebars as unknown as { Parser: { lexer: Lexer } }).Parser;
  return { line: lexer.yylloc.first_line, column: lexer.yylloc.first_column + 1 };
}

interface Lexer {
  readonly yylloc: { readonly first_line: number; readonly first_column: number };
}

/** The grammar's message is a drawing over several lines, with the names of its tokens. */
function parseErrorText(error: unknown): string {
  const message = error instanceof Error ? error.message : describeError(error);
  const [, got] = /got '(\w+)'$/.exec(message) ?? [];
  const found: Readonly<Record<string, string>> = {
    EOF: 'the template ends with a {{...}} or a {{#block}} that is not closed',
    INVALID: 'there is a character that cannot stand inside {{...}}, or its }} is missing',
    OPEN_ENDBLOCK: 'a {{/block}} ends here that was not begun',
    INVERSE: 'an {{else}} stands outside of a block, or a second time in it',
    CLOSE: 'something is missing before the }}',
    CLOSE_UNESCAPED: 'there is one } too many',
  };
  if (got !== undefined) {
    return found[got] ?? 'what stands here cannot stand inside {{...}}, or a }} before it is missing';
  }
  if (message.startsWith('Lexical error')) {
    return 'a comment {{!-- is not closed by --}}, or a {{{{raw block}}}} begins, which pgcm does not have';
  }
  const [, opened, closed] = /^(\S+) doesn't match (\S+)/.exec(message) ?? [];
  if (opened !== undefined && closed !== undefined)
    return `{{#${opened}}} doesn't match the {{/${closed}}} that ends it`;
  return message.replace(/ - \d+:\d+$/, '');
}
