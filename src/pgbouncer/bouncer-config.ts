import type { PauseScope } from '../domain/bouncer.js';
import type { BouncerConfig, Leads, WrittenConfig } from '../domain/bouncer-config.js';
import { PgcmError } from '../domain/errors.js';
import type { RouteView } from '../domain/route-view.js';
import type { Milliseconds } from '../domain/time.js';
import { writeConfigFile } from '../rendering/replace-file.js';
import type { Template } from '../rendering/template.js';
import { TemplateFile } from '../rendering/template-file.js';
import { trialView, trialViews } from '../rendering/trial-views.js';
import { runWithDeadline } from '../runtime/deadline.js';
import { leadsTo, withoutHost } from './ini.js';

export interface BouncerConfigOptions {
  /** pgbouncer-config-file */
  readonly configFile: string;
  /** pgbouncer-config-template-file */
  readonly templateFile: string;
  /** For reading the template, and for writing the file. */
  readonly timeout: Milliseconds;
}

/** PgBouncer's config file, made from the template file. */
export class TemplatedConfig implements BouncerConfig {
  readonly name: string;
  readonly #options: BouncerConfigOptions;
  readonly #file: TemplateFile;
  /** What the file holds; undefined while that is not known. */
  #text: string | undefined;
  /** Of what was written last. */
  #leads: Leads | undefined;
  /** Two writes at once could end in either order. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: BouncerConfigOptions, file: TemplateFile) {
    this.name = options.configFile;
    this.#options = options;
    this.#file = file;
  }

  /** @throws PgcmError `bad-template`: with such a template the daemon does not start */
  static async open(options: BouncerConfigOptions, signal: AbortSignal): Promise<TemplatedConfig> {
    const { templateFile: path, timeout } = options;
    const vet = (template: Template): void => refuseUnfit(template, path);
    const template = { path, timeout, option: 'pgbouncer-config-template-file', vet };
    return new TemplatedConfig(options, await TemplateFile.open(template, signal));
  }

  get follows(): PauseScope {
    return this.#leads === undefined ? mayLead(this.#file.template) : scopeOf([this.#leads]);
  }

  isCurrent(view: RouteView): boolean {
    return this.#text !== undefined && this.#text === this.#file.template.render(view);
  }

  write(view: RouteView, signal: AbortSignal): Promise<WrittenConfig> {
    const what = `writing ${this.name}`;
    const write = this.#turn.then(() => this.#write(view, what, signal));
    this.#turn = write.catch(() => undefined);
    return write;
  }

  async #write(view: RouteView, what: string, signal: AbortSignal): Promise<WrittenConfig> {
    const staleTemplate = await this.#file.refresh(signal);
    const text = this.#file.template.render(view);
    refuseEmptyHosts(text, this.#options.templateFile);
    this.#text = undefined;
    const outcome = await runWithDeadline(what, this.#options.timeout, signal, (within) =>
      writeConfigFile(this.name, text, within),
    );
    const leads = leadsTo(text, view.host);
    this.#text = text;
    this.#leads = leads;
    return { outcome, leads, staleTemplate };
  }
}

/** @throws PgcmError `bad-template` */
function refuseUnfit(template: Template, file: string): void {
  if (!template.usesHost) {
    const why = 'it does not use {{.Host}} anywhere, so no database would follow the primary';
    throw new PgcmError('bad-template', `${file}:1:1: ${why}`);
  }
  for (const view of trialViews()) refuseEmptyHosts(template.render(view), file);
}

function refuseEmptyHosts(text: string, file: string): void {
  const [database] = withoutHost(text);
  if (database === undefined) return;
  const why =
    `where there is no such member, the database ${database} gets a host= without a value: ` +
    'put its line between {{#if Replicas}} and {{/if}}, or what it is made of';
  throw new PgcmError('bad-template', `${file}: ${why}`);
}

/**
 * Before anything was written, it is not known where the file leads that an earlier life wrote: to the
 * primary perhaps also what does so only where there is no standby.
 */
function mayLead(template: Template): PauseScope {
  const { host, members } = trialView();
  const primary = members.filter((member) => member.address === host);
  const views = [...trialViews(), trialView({ sync: undefined, standbys: [], replicas: primary })];
  return scopeOf(views.map((view) => leadsTo(template.render(view), host)));
}

function scopeOf(all: readonly Leads[]): PauseScope {
  if (all.some(({ otherwise }) => otherwise !== undefined)) return 'all';
  const names = new Set(all.flatMap(({ databases }) => [...databases.keys()]));
  // The entries stand where pgcm does not look, in a file that is brought in by %include.
  return names.size === 0 ? 'all' : [...names];
}
