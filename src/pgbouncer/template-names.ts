/** What a name stands for: one text, a list to go over with #each, or a thing with names of its own. */
export type Shape =
  | { readonly kind: 'text' }
  | { readonly kind: 'list'; readonly item: Shape }
  | { readonly kind: 'fields'; readonly fields: Readonly<Record<string, Shape>> };

const text: Shape = { kind: 'text' };

/**
 * Every name that a template may use, and nothing else: a misspelt one would render as nothing, and
 * PgBouncer would take a `host=` without a value for its own machine's unix socket.
 */
export const templateNames = {
  kind: 'fields',
  fields: { Host: text, host: text },
} as const satisfies Shape;

/** What the names are filled with. */
export interface TemplateValues {
  /** The primary's address. */
  readonly host: string;
}

/** The names with their values: a plain object, as Handlebars reads getters and Maps as nothing. */
export function templateContext({
  host,
}: TemplateValues): Record<keyof typeof templateNames.fields, unknown> {
  return { Host: host, host };
}
