import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeError, hasCode } from '../../src/domain/errors.js';
import { compileTemplate } from '../../src/rendering/template.js';
import { checkNames } from '../../src/rendering/template-check.js';
import type { Shape } from '../../src/rendering/template-names.js';
import Handlebars from 'handlebars';
import { topologyOf } from '../fakes/topologies.js';
import { viewAt } from '../fakes/views.js';

const render = (text: string, host = '10.0.0.1'): string => compileTemplate(text, 'ini').render(viewAt(host));

/** Line and column of the error, and that it names the file. */
function mistake(text: string): { at: string; why: string } {
  try {
    compileTemplate(text, '/etc/pgbouncer/pgbouncer.ini.template');
  } catch (error) {
    assert.ok(hasCode(error, 'bad-template'), String(error));
    // Not the parser's own words, with the names of its tokens.
    assert.doesNotMatch(describeError(error), /Parse error|Expecting|got '/);
    const [, at, why] =
      /^\/etc\/pgbouncer\/pgbouncer\.ini\.template:(\d+:\d+): (.*)$/.exec(error.message) ?? [];
    assert.ok(at !== undefined && why !== undefined, error.message);
    return { at, why };
  }
  assert.fail(`no error: ${text}`);
}

describe('a template', () => {
  it('puts the address where any of the forms stands', () => {
    for (const form of [
      '{{.Host}}',
      '{{ .Host }}',
      '{{  .Host}}',
      '{{Host}}',
      '{{ Host }}',
      '{{host}}',
      '{{{host}}}',
      '{{./host}}',
      '{{@root.Host}}',
    ]) {
      assert.equal(render(`a = host=${form} port=5432\n`), 'a = host=10.0.0.1 port=5432\n', form);
    }
    assert.equal(render('{{.Host}}', 'fd00::1'), 'fd00::1');
  });

  it('leaves everything else as it is, byte for byte', () => {
    const text = `; {.Host} .Host $Host {{.Host}}\r\n\t[databases]\n* = user='a&b' password="<'x'>" # ü \\ \\n }} }\n\n\n`;
    assert.equal(render(text), text.replace('{{.Host}}', '10.0.0.1'));
  });

  it('does not escape for HTML what it puts in', () => {
    assert.equal(render('{{.Host}} {{Host}}', `a&b<c>"'=`), `a&b<c>"'= a&b<c>"'=`);
  });

  it("knows Go's trim markers and comments, which leave their line", () => {
    assert.equal(render('a=  \n {{- .Host -}}  \n b'), 'a=10.0.0.1b');
    assert.equal(render('a\n{{/* {{.Other}} \n }} */}}\nb{{.Host}}'), 'a\n\nb10.0.0.1');
    assert.equal(render('a\n{{- /* c */ -}}\nb{{.Host}}'), 'ab10.0.0.1');
    assert.equal(render('{{!-- {{.Other}} --}}{{! .Other }}{{.Host}}'), '10.0.0.1');
  });

  it('knows #if, #unless and their else', () => {
    const text =
      '{{#if Host}}\nyes {{.Host}}\n{{else}}\nno\n{{/if}}\n{{#unless host}}no{{else}}yes{{/unless}}\n';
    assert.equal(render(text), 'yes 10.0.0.1\nyes\n');
  });

  it('knows the standbys, the members and the cluster', () => {
    const view = viewAt('10.77.0.11', topologyOf('pg01'));
    const whole = (text: string, of = view): string => compileTemplate(text, 'file').render(of);
    assert.equal(
      whole(
        '{{#each Members}}{{Name}} {{Address}} {{Role}} {{SyncState}} {{Healthy}} {{../Host}}\n{{/each}}',
      ),
      'pg01 10.77.0.11 primary unknown true 10.77.0.11\n' +
        'pg02 10.77.0.12 standby sync true 10.77.0.11\n' +
        'pg03 10.77.0.13 standby async true 10.77.0.11\n',
    );
    assert.equal(whole('{{#each Standbys}}{{#if Lag}}{{Lag}}{{else}}?{{/if}} {{/each}}'), '0 0 ');
    assert.equal(whole('{{#each Members}}{{#if Lag}}{{Lag}}{{else}}?{{/if}}{{/each}}'), '?00');
    const sync = '{{#if Sync}}{{Sync.Name}}={{.Sync.Address}}{{else}}none{{/if}}';
    assert.equal(whole(sync), 'pg02=10.77.0.12');
    assert.equal(whole(sync, viewAt('10.77.0.11')), 'none');
    const cluster =
      '{{#unless Cluster}}unknown{{else}}{{Cluster.SystemIdentifier}} {{Cluster.Timeline}} {{Cluster.State}}{{/unless}}';
    assert.equal(whole(cluster), '7318294650912345678 1 up');
    assert.equal(whole(cluster, viewAt('10.77.0.11')), 'unknown');
    assert.equal(whole('{{#each Replicas}}{{Name}}{{else}}none{{/each}}', viewAt('10.77.0.11')), 'none');
    assert.equal(whole('{{#each Members}}{{#if Healthy}}{{Name}} {{/if}}{{/each}}'), 'pg01 pg02 pg03 ');
  });

  it('keeps a literal {{ behind a backslash', () => {
    assert.equal(render('\\{{Host}} {{Host}}'), '{{Host}} 10.0.0.1');
  });

  for (const [what, text, at, why] of [
    [
      'an unknown name',
      'x\n  {{.Hots}} {{.Host}}',
      '2:6',
      /"Hots" is no known name here: known are Host, host/,
    ],
    ["an unknown name in Handlebars' form", '{{Host}} {{ primary }}', '1:13', /"primary"/],
    ['an unknown name inside a block', '{{Host}}\n{{#if Host}}\n\n {{.Foo}}{{/if}}', '4:5', /"Foo"/],
    ['an unknown name in an else', '{{Host}}{{#if Host}}\n{{else}}\n{{Foo}}{{/if}}', '3:3', /"Foo"/],
    ['an unknown name in an else if', '{{#if Host}}\n{{else if Foo}}\n{{/if}}', '2:11', /"Foo"/],
    ['a name that every object has', '{{.Host}} {{constructor}}', '1:13', /"constructor"/],
    [
      'what may be missing',
      'x\n{{Host}} {{Sync.Address}}',
      '2:12',
      /Sync may be missing: put this between {{#if Sync}}/,
    ],
    [
      'a lag that may not be known',
      '{{#each Standbys}}{{Lag}}{{/each}}',
      '1:21',
      /Lag may be missing: .*{{#if Lag}}/,
    ],
    [
      'what is missing in the else',
      '{{#if Sync}}{{else}}{{Sync.Name}}{{/if}}',
      '1:23',
      /Sync may be missing/,
    ],
    [
      'what #unless says is missing',
      '{{#unless Cluster}}{{Cluster.State}}{{/unless}}',
      '1:22',
      /Cluster may/,
    ],
    [
      'a member in place of its address',
      '{{Host}}{{#if Sync}}{{Sync}}{{/if}}',
      '1:23',
      /no text: there are Sync.Name/,
    ],
    ['a list as text', '{{Replicas}}', '1:3', /Replicas is a list/],
    [
      "an unknown name of a member's",
      '{{#each Members}}{{Adress}}{{/each}}',
      '1:20',
      /known are Name, Address/,
    ],
    ['a field of the address', '{{.Host.Name}}', '1:4', /"Host\.Name"/],
    ['a name from outside', '{{../Host}}', '1:3', /"\.\.\/Host"/],
    ['the whole', '{{this}}', '1:3', /"this"/],
    ['a helper', '{{lookup Host 1}}', '1:1', /lookup takes nothing/],
    ['an unknown helper', '{{Host}}\n{{upper Host}}', '2:1', /upper takes nothing/],
    ['a text', '{{"Host"}}', '1:1', /is an expression that pgcm does not have/],
    ['a number', '{{1}}', '1:1', /a name has to stand/],
    ['an unknown block', '{{#with Host}}{{/with}}', '1:1', /a block "with" is unknown/],
    ['a block of a name', '{{#Host}}{{/Host}}', '1:1', /a block "Host" is unknown/],
    ['#each of a text', '{{#each Host}}{{/each}}', '1:9', /Host is not a list/],
    ['a partial', 'x\n {{> other}}', '2:2', /partials/],
    ['an unclosed block', '{{Host}}\n{{#if Host}}\nx\n', '4:1', /is not closed/],
    [
      'blocks that do not fit',
      '{{Host}}\n {{#if Host}}\n{{/each}}',
      '2:5',
      /{{#if}} doesn't match the {{\/each}}/,
    ],
    ['an end without a begin', '{{Host}}\n{{/if}}', '2:1', /that was not begun/],
    ['a mustache that is not closed', 'a\nb {{Host}\n', '2:9', /its }} is missing/],
    ['a mustache that ends with the text', 'a\n{{Host', '2:3', /its }} is missing/],
    ["Go's if", '{{.Host}}\n{{if .Host}}x{{end}}', '2:1', /"{{if .Host}}" is an action of Go's/],
    ["Go's range", '{{.Host}} {{- range .Hosts }}{{ end -}}', '1:11', /range .* is an action of Go's/],
    ["Go's printf", '{{printf "%s" .Host}}', '1:1', /printf .* is an action of Go's/],
    ["Go's pipeline", '{{.Host | printf "%q"}}', '1:1', /is an expression/],
    ["Go's variable", 'x {{$h := .Host}}', '1:3', /is an expression/],
    ["Go's dot", 'x {{.}}', '1:3', /is an expression/],
    ["a backslash before Go's form", 'C:\\{{.Host}}', '1:4', /a backslash stands before/],
    ['no placeholder', '[databases]\nx = host=10.0.0.1\n', '1:1', /does not use {{.Host}} anywhere/],
    ['a placeholder in a comment only', '{{! {{Host}}\n', '1:1', /does not use/],
    ['nothing', '', '1:1', /does not use/],
  ] as const) {
    it(`refuses ${what}, with line and column`, () => {
      const found = mistake(text);
      assert.match(found.why, why);
      assert.equal(found.at, at);
    });
  }

  it('keeps line and column right behind a placeholder in the form of Go', () => {
    assert.equal(mistake('{{.Host}}{{ .Host }}{{- .Host -}}{{/* c */}}{{Foo}}').at, '1:47');
    assert.equal(mistake('{{/* a\nb */}}\r\n{{.Host}}{{Foo}}').at, '3:12');
  });

  it('checks names inside of lists by the shape of their items', () => {
    const text: Shape = { kind: 'text' };
    const item: Shape = { kind: 'fields', fields: { Name: text } };
    const names: Shape = { kind: 'fields', fields: { Host: text, Standbys: { kind: 'list', item } } };
    const why = (template: string): string | undefined =>
      checkNames(Handlebars.parse(template), names).mistake?.why;
    assert.equal(
      why('{{#each Standbys}}{{Name}}{{this.Name}}{{@index}}{{../Host}}{{@root.Host}}{{/each}}'),
      undefined,
    );
    assert.match(
      why('{{#each Standbys}}{{Host}}{{/each}}') ?? '',
      /"Host" is no known name here: known are Name/,
    );
    assert.match(why('{{#each Standbys}}{{else}}{{Name}}{{/each}}') ?? '', /"Name"/);
    assert.match(why('{{Standbys}}') ?? '', /is a list: use #each/);
    assert.match(why('{{@index}}') ?? '', /"@index"/);
    assert.match(why('{{#each Standbys as |s|}}{{/each}}') ?? '', /as \|...\|/);
  });
});
