import { quote } from '../domain/address.js';

/** An action that only Go's templates know, where it begins (1-based). */
export interface GoOnly {
  readonly why: string;
  readonly offset: number;
}

export interface Translation {
  /** As long as the original, character by character: every line and column stays where it was. */
  readonly text: string;
  /** A comment in Go's form was there: Go never drops the line that it stands on, as Handlebars does. */
  readonly hasGoComment: boolean;
  /** What cannot be translated. */
  readonly goOnly: GoOnly | undefined;
}

/** Comments first: they may contain anything. A backslash before `{{` is Handlebars' escape. */
const MUSTACHE =
  /(?<escape>\\?)(?<all>\{\{(?:!--[^]*?--~?\}\}|~!--[^]*?--~?\}\}|[-~]?\s*\/\*[^]*?\*\/\s*[-~]?\}\}|(?<body>[^]*?)\}\}))/g;

const GO_WORDS =
  /^(?:if|range|with|end|define|template|block|break|continue|and|or|not|eq|ne|lt|le|gt|ge|len|index|slice|html|js|urlquery|call|print|printf|println)\b/;

/**
 * Translates a placeholder in the form of Go's text/template, `{{.Host}}` or `{{- .Host -}}`, into
 * that of Handlebars, for the sites whose templates were written for pgsql-cluster-manager. Text outside
 * of mustaches, and mustaches in Handlebars' own form, stay untouched.
 */
export function fromGoTemplate(text: string): Translation {
  let hasGoComment = false;
  let goOnly: GoOnly | undefined;
  const translated = text.replace(MUSTACHE, (match: string, ...rest: unknown[]) => {
    const { escape = '', all = '', body } = rest.at(-1) as Record<string, string | undefined>;
    const offset = (rest.at(-3) as number) + escape.length;
    const isComment = body === undefined && !/^\{\{~?!/.test(all);
    const isField = body !== undefined && /^(?:-\s)?\s*\.[A-Za-z_][\w.]*\s*(?:\s-)?$/.test(body);
    if (escape !== '' && (isComment || isField)) {
      goOnly ??= { offset, why: `a backslash stands before ${quote(all)}, which would hide it from pgcm` };
      return match;
    }
    if (isComment) {
      hasGoComment = true;
      return `${escape}${translateComment(all)}`;
    }
    if (isField) return `${escape}${translateTrims(all).replace('.', ' ')}`;
    const why = body === undefined || escape !== '' ? undefined : reasonGoOnly(body, all);
    if (why !== undefined) goOnly ??= { offset, why };
    return match;
  });
  return { text: translated, hasGoComment, goOnly };
}

/** `{{- ` and ` -}}` take away the white space beside them, as Handlebars' `{{~` and `~}}` do. */
function translateTrims(mustache: string): string {
  return mustache.replace(/^\{\{-(?=\s)/, '{{~').replace(/(?<=\s)-\}\}$/, '~}}');
}

/** A comment's text is blanked, as it could hold a `}}` that ends it too early for Handlebars. */
function translateComment(comment: string): string {
  const open = comment.startsWith('{{-') ? '{{~!' : '{{!';
  const close = comment.endsWith('-}}') ? '~}}' : '}}';
  const inner = comment.slice(open.length, comment.length - close.length);
  return open + inner.replace(/[^\r\n]/g, ' ') + close;
}

function reasonGoOnly(body: string, all: string): string | undefined {
  const action = body.replace(/^-\s/, '').trim();
  const advice = 'write it in the form of Handlebars, e.g. {{#if Host}}...{{/if}}';
  if (GO_WORDS.test(action)) {
    return `${quote(all)} is an action of Go's templates that pgcm does not have: ${advice}`;
  }
  if (/^\$|\||:=|^[`"'(]|^\.$/.test(action) && !/\bas\s*\|/.test(action)) {
    return `${quote(all)} is an expression that pgcm does not have: only names like {{.Host}} can stand there`;
  }
  return undefined;
}
