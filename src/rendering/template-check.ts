import { quote } from '../domain/address.js';
import type { Shape } from './template-names.js';

export interface Mistake {
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  readonly why: string;
}

export interface NamesCheck {
  /** The first mistake, in the order of the text. */
  readonly mistake: Mistake | undefined;
  /** Every name that is used, in full: `Host`. */
  readonly used: ReadonlySet<string>;
}

/**
 * Looks whether every placeholder has a known name and stands where one of its kind can, and whether what
 * may be missing is asked for first. Handlebars' own strict mode notices unknown names only while
 * rendering, and not those inside of blocks; what is missing it renders as nothing.
 */
export function checkNames(tree: hbs.AST.Program, names: Shape): NamesCheck {
  const used = new Set<string>();
  try {
    checkProgram(tree, { scopes: [names], present: new Set(), used });
    return { mistake: undefined, used };
  } catch (error) {
    if (error instanceof Found) return { mistake: error.mistake, used };
    throw error;
  }
}

class Found extends Error {
  readonly mistake: Mistake;

  constructor(node: hbs.AST.Node, why: string) {
    super(why);
    this.mistake = { line: node.loc.start.line, column: node.loc.start.column + 1, why };
  }
}

interface Walk {
  /** The shape of `this`, innermost last; each #each adds one. */
  readonly scopes: readonly Shape[];
  /** The paths that an #if around this says are there. */
  readonly present: ReadonlySet<string>;
  readonly used: Set<string>;
}

function checkProgram(program: hbs.AST.Program, walk: Walk): void {
  for (const statement of program.body) checkStatement(statement, walk);
}

function checkStatement(node: hbs.AST.Statement, walk: Walk): void {
  switch (node.type) {
    case 'ContentStatement':
    case 'CommentStatement':
      return;
    case 'MustacheStatement':
      checkMustache(node as hbs.AST.MustacheStatement, walk);
      return;
    case 'BlockStatement':
      checkBlock(node as hbs.AST.BlockStatement, walk);
      return;
    default:
      throw new Found(node, 'partials and decorators are not supported: write the text out');
  }
}

function checkMustache(node: hbs.AST.MustacheStatement, walk: Walk): void {
  if (node.path.type !== 'PathExpression') {
    throw new Found(node, 'a name has to stand in {{...}}, like {{.Host}}');
  }
  const path = node.path as hbs.AST.PathExpression;
  if (node.params.length > 0 || hasHash(node)) {
    throw new Found(node, `${path.original} takes nothing: only a name can stand in {{...}}, like {{.Host}}`);
  }
  const { shape, key } = resolve(path, walk);
  if (shape.kind === 'fields') throw new Found(path, `${path.original} is no text: ${namesIn(shape, path)}`);
  if (shape.kind === 'list') throw new Found(path, `${path.original} is a list: use #each`);
  if (shape.optional === true && !walk.present.has(key)) throw mayBeMissing(path, path.original);
}

function checkBlock(node: hbs.AST.BlockStatement, walk: Walk): void {
  const helper = node.path.original;
  if (helper !== 'if' && helper !== 'unless' && helper !== 'each') {
    throw new Found(node, `a block ${quote(helper)} is unknown: there are #if, #unless and #each`);
  }
  const [subject, ...more] = node.params;
  if (subject?.type !== 'PathExpression' || more.length > 0 || hasHash(node)) {
    throw new Found(node, `#${helper} takes one name, as in {{#${helper} Host}}`);
  }
  // Handlebars leaves out whichever part a block does not have, whatever the types say.
  const program = node.program as hbs.AST.Program | undefined;
  const inverse = node.inverse as hbs.AST.Program | undefined;
  if ((program as { blockParams?: readonly string[] } | undefined)?.blockParams !== undefined) {
    throw new Found(node, 'names after "as |...|" are not supported: use this');
  }
  const path = subject as hbs.AST.PathExpression;
  const { shape, key } = resolve(path, walk);
  if (helper === 'each' && shape.kind !== 'list') {
    throw new Found(subject, `${path.original} is not a list: #each needs one`);
  }
  const there = { ...walk, present: new Set([...walk.present, key]) };
  const inItems = shape.kind === 'list' && helper === 'each';
  const inner = inItems ? { ...walk, scopes: [...walk.scopes, shape.item] } : helper === 'if' ? there : walk;
  if (program !== undefined) checkProgram(program, inner);
  if (inverse !== undefined) checkProgram(inverse, helper === 'unless' ? there : walk);
}

function hasHash(node: { hash?: hbs.AST.Hash | undefined }): boolean {
  return (node.hash?.pairs.length ?? 0) > 0;
}

interface Resolved {
  readonly shape: Shape;
  /** The same for each way to write the path. */
  readonly key: string;
}

/** @throws Found when the path leads nowhere from where it stands, or through what may be missing */
function resolve(path: hbs.AST.PathExpression, { scopes, present, used }: Walk): Resolved {
  const unknown = (): Found =>
    new Found(path, `${quote(path.original)} is no known name here: known are ${known(scopes).join(', ')}`);
  const parts = [...path.parts];
  let at = scopes.length - 1 - path.depth;
  if (path.data) {
    const name = parts.shift();
    const inEach = scopes.length > 1 && parts.length === 0;
    if (inEach && ['index', 'first', 'last'].includes(name ?? ''))
      return { shape: { kind: 'text' }, key: '@' };
    at = name === 'root' ? 0 : -1;
  }
  let shape = scopes[at];
  let key = String(at);
  for (const part of parts) {
    if (shape?.optional === true && !present.has(key)) throw mayBeMissing(path, parts.slice(0, -1).join('.'));
    // hasOwn: "constructor" is a property of every object.
    shape = shape?.kind === 'fields' && Object.hasOwn(shape.fields, part) ? shape.fields[part] : undefined;
    key = `${key}.${part}`;
  }
  // `this` is a thing with names of its own only where it is asked for in one of them.
  if (shape === undefined || (shape.kind === 'fields' && shape.optional !== true)) throw unknown();
  used.add(path.original);
  if (at === 0 && parts[0] !== undefined) used.add(parts[0]);
  return { shape, key };
}

function mayBeMissing(path: hbs.AST.PathExpression, name: string): Found {
  const bare = name.replace(/^@root\./, '');
  return new Found(path, `${bare} may be missing: put this between {{#if ${bare}}} and {{/if}}`);
}

function namesIn(shape: Extract<Shape, { kind: 'fields' }>, { original }: hbs.AST.PathExpression): string {
  const names = Object.keys(shape.fields).map((name) => `${original}.${name}`);
  return `there are ${names.join(', ')}`;
}

function known(scopes: readonly Shape[]): readonly string[] {
  const innermost = scopes.at(-1);
  return innermost?.kind === 'fields' ? Object.keys(innermost.fields) : ['this'];
}
