import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'smol-toml';
import { showConfig } from '../../src/config/show.js';
import { withOutputTable } from '../../src/config/table.js';
import { packageFile } from '../../src/runtime/package-root.js';
import { load, problemsOf } from '../support/config.js';

const BLOCK = `[[output]]
name = "haproxy"
template = "/etc/haproxy/haproxy.cfg.template"
file = "/etc/haproxy/haproxy.cfg"
`;

const wrong = async (more: string): Promise<string> => {
  const [problem = '', ...others] = await problemsOf({ toml: `${BLOCK}${more}\n` });
  assert.deepEqual(others, []);
  return problem.replace('FILE:1: output: "haproxy": ', '');
};

describe('an [[output]] of the TOML file', () => {
  it('has defaults', async () => {
    const { config } = await load({ toml: BLOCK });
    assert.deepEqual(config.output, [
      {
        name: 'haproxy',
        template: '/etc/haproxy/haproxy.cfg.template',
        file: '/etc/haproxy/haproxy.cfg',
        owner: '',
        mode: undefined,
        check: [],
        reload: [],
        timeout: 10_000,
      },
    ]);
  });

  it('is read, shown by show-config, and read again as the same', async () => {
    const full = `${BLOCK}owner = "root:haproxy"
mode = "0640"
check = ["/usr/sbin/haproxy", "-c", "-f", "{file}"]
reload = ["/bin/kill", "a \\"b\\"", ""]
timeout = "3s"
`;
    const second = full.replaceAll('haproxy', 'other');
    const shown = await load({ toml: `etcd-timeout = "2s"\n${full}\n${second}` });
    assert.deepEqual(
      shown.config.output.map(({ name, mode, reload }) => [name, mode, reload]),
      [
        ['haproxy', 0o640, ['/bin/kill', 'a "b"', '']],
        ['other', 0o640, ['/bin/kill', 'a "b"', '']],
      ],
    );
    const text = showConfig(shown);
    assert.deepEqual((await load({ toml: text })).config.output, shown.config.output);
    assert.match(text, /^# Files of other programs/m);
  });

  it('is shown as an example where there is none, that is right', async () => {
    const text = showConfig(await load());
    const example = text.slice(text.indexOf('# [[output]]')).replaceAll(/^# /gm, '');
    assert.deepEqual(Object.keys((parse(example)['output'] as object[])[0] ?? {}).length, 8);
    assert.deepEqual(await problemsOf({ toml: example }), []);
  });

  it('is refused with everything that is wrong, by its name', async () => {
    assert.match(await wrong('chek = []'), /"chek" is no key of an output, did you mean check\?/);
    assert.match(await wrong('mode = 640'), /mode: write it between quotes/);
    assert.match(await wrong('mode = "0999"'), /mode: "0999" is not three octal digits/);
    assert.match(await wrong('owner = "a b"'), /owner: "a b" is not USER or USER:GROUP/);
    assert.match(await wrong('check = "haproxy -c -f {file}"'), /check: write an array/);
    assert.match(await wrong('check = ["haproxy", "-c"]'), /check: \{file\} stands nowhere in it/);
    assert.match(await wrong('check = ["", "{file}"]'), /check: its program is the empty text/);
    assert.match(await wrong('reload = ["x", 1]'), /reload: expected text/);
    assert.match(await wrong('timeout = "0"\nchek = 1'), /"chek" is no key.*; .*timeout: "0"/);
    assert.deepEqual(await problemsOf({ toml: '[[output]]\nname = "a"\n[[output]]\nfile = "/x"' }), [
      'FILE:1: output: "a": template is missing; "a": file is missing; number 2: name is missing; ' +
        'number 2: template is missing',
    ]);
    assert.match((await problemsOf({ toml: BLOCK + BLOCK }))[0] ?? '', /two have the name "haproxy"/);
    assert.match(
      (await problemsOf({ toml: BLOCK.replace('[[output]]', '[output]') }))[0] ?? '',
      /\[\[output\]\]/,
    );
  });

  it("may not have PgBouncer's file", async () => {
    const toml = BLOCK.replace('/etc/haproxy/haproxy.cfg"', '/etc/pgbouncer/pgbouncer.ini"');
    assert.match((await problemsOf({ toml }))[0] ?? '', /pgbouncer-config-file/);
  });

  it('has its keys in docs/outputs.md as they are declared', () => {
    const document = readFileSync(packageFile('docs', 'outputs.md'), 'utf8');
    assert.ok(document === withOutputTable(document), 'run `node scripts/update-docs.mjs` after a build');
  });
});
