import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { eventually, stays } from '../support/eventually.js';
import { InitHost } from './init-host.js';

describe('docker/init.py as PID 1', () => {
  let host: InitHost;
  beforeEach(() => {
    host = new InitHost();
  });
  afterEach(() => host.remove());

  /** One service in TOML. @param script for sh; FOLDER and SAY are put in */
  function service(name: string, script: string, keys = ''): string {
    const text = script.replaceAll('FOLDER', host.folder).replaceAll('SAY', host.say);
    return `[${name}]\ncommand = ["/bin/sh", "-c", '''${text}''']\n${keys}\n`;
  }

  it('starts every service and then says so', async () => {
    host.start(service('a', 'echo hello; exec sleep 1000') + service('b', 'exec sleep 1000'));
    await eventually(
      () => host.lines('log/a.log').includes('hello') && host.inside('ls', host.file('run/started')) !== '',
    );
    assert.notEqual(host.pid('a'), '');
    assert.notEqual(host.pid('a'), host.pid('b'));
    assert.equal(host.restarts('a'), 0);
  });

  it('restarts a service that ends, after its delay', async () => {
    host.start(service('a', 'date +%s%N >> FOLDER/starts; exit 3', 'restart-delay = 0.3'));
    await eventually(() => host.lines('starts').length >= 3);
    const [first = 0n, second = 0n] = host.lines('starts').map(BigInt);
    assert.ok(second - first >= 290_000_000n, `restarted after ${second - first} ns`);
    assert.ok(host.restarts('a') >= 2);
    assert.match(host.output, /a ended, status 3/);
  });

  it('goes on trying when the program is missing', async () => {
    host.start('[a]\ncommand = ["/nowhere/daemon"]\nrestart-delay = 0.05\n');
    await eventually(() => (host.output.match(/a cannot be started/g) ?? []).length >= 3);
  });

  it('leaves a service down that ended with a status declared as final', async () => {
    const keys = 'restart-prevented-by = [100]\nrestart-delay = 0.05';
    host.start(service('a', 'echo x >> FOLDER/starts; exit 100', keys));
    await eventually(() => host.ctl('status', 'a').text.startsWith('a down'));
    await stays(() => host.lines('starts').length === 1, 500);
  });

  it('kills and restarts a frozen service, and leaves one alone whose messages come', async () => {
    const frozen = 'echo x >> FOLDER/starts; SAY READY=1 WATCHDOG=1; kill -STOP $$';
    host.start(
      service('frozen', frozen, 'notify = true\nwatchdog = 0.5\nrestart-delay = 0.05') +
        service('healthy', 'exec SAY beat', 'notify = true\nwatchdog = 5'),
    );
    await eventually(() => host.ctl('status', 'healthy').text.startsWith('healthy ready'));
    const since = performance.now();
    await eventually(() => host.lines('starts').length >= 3 && performance.now() - since > 6_000, {
      every: 50,
      limit: 60_000,
    });
    assert.match(host.output, /frozen gave no watchdog message in time/);
    assert.equal(host.restarts('healthy'), 0, host.output);
  });

  it('kills a service with a watchdog that never becomes ready', async () => {
    const keys = 'notify = true\nwatchdog = 600\nstart-timeout = 0.3\nrestart-delay = 0.05';
    host.start(service('a', 'echo x >> FOLDER/starts; exec sleep 1000', keys));
    await eventually(() => host.lines('starts').length >= 2);
  });

  it('gives the watchdog interval and the notify socket to the service', async () => {
    const script =
      'echo $WATCHDOG_USEC $NOTIFY_SOCKET > FOLDER/env; SAY barrier; touch FOLDER/passed; exec sleep 1000';
    host.start(service('a', script, 'notify = true\nwatchdog = 2.5'));
    // A barrier is passed when the receiver has closed the descriptor that came with it.
    await eventually(() => host.inside('ls', host.file('passed')) !== '');
    assert.equal(host.read('env'), `2500000 ${host.file('run/notify/a')}`);
  });

  it('starts a service only after the one it needs is ready', async () => {
    host.start(
      service('late', 'echo late >> FOLDER/order; exec sleep 1000', 'after = ["early"]') +
        service(
          'early',
          'while [ ! -e FOLDER/go ]; do sleep 0.05; done; echo early >> FOLDER/order; SAY READY=1; exec sleep 1000',
          'notify = true',
        ),
    );
    await eventually(() => host.pid('early') !== '');
    await stays(() => host.pid('late') === '' && host.inside('ls', host.file('run/started')) === '', 300);
    host.inside('touch', host.file('go'));
    await eventually(() => host.inside('ls', host.file('run/started')) !== '');
    await eventually(() => host.lines('order').length === 2);
    assert.deepEqual(host.lines('order'), ['early', 'late']);
  });

  it('kills what a service leaves in its group and its companions, and nothing else', async () => {
    // Three children outlive it: one in its group, one daemon like PostgreSQL, one companion.
    const script = `
      cp /bin/sleep FOLDER/companion
      sleep 1111 &
      setsid -f sleep 2222
      setsid -f FOLDER/companion 3333
      until ps -eo args | grep -q "^sleep 2222" && ps -eo args | grep -q "^FOLDER/companion 3333"; do :; done
      exit 0`;
    const keys = `companions = ["${host.file('companion')}"]\nrestart-delay = 1000`;
    host.start(service('a', script, keys));
    await eventually(() => /a ended/.test(host.output), { limit: 30_000 });
    // A killed process may be seen for a moment yet.
    await eventually(() => !/1111|3333/.test(host.inside('ps', '-eo', 'args')));
    assert.match(host.inside('ps', '-eo', 'args'), /^sleep 2222/m);
  });

  it('reaps orphans', async () => {
    host.start(service('a', '(setsid -f sh -c "exit 0"); touch FOLDER/made; exec sleep 1000'));
    await eventually(() => host.inside('ls', host.file('made')) !== '');
    await eventually(() => !/Z/.test(host.inside('ps', '-eo', 'stat=')));
  });

  it('stops all in reverse order on SIGTERM, kills who does not go, and exits', async () => {
    const polite = (name: string): string =>
      `trap 'echo ${name} >> FOLDER/stops; exit 0' TERM; echo ${name} >> FOLDER/starts; while :; do sleep 0.05; done`;
    const deaf = `trap '' TERM; echo deaf >> FOLDER/starts; while :; do sleep 0.05; done`;
    host.start(
      service('first', polite('first')) +
        service('deaf', deaf, 'stop-timeout = 0.3') +
        service('second', polite('second')),
    );
    await eventually(() => host.lines('starts').length === 3);
    host.signal('SIGTERM');
    assert.equal(await host.ended, 0);
    assert.deepEqual(host.lines('stops'), ['second', 'first']);
    assert.match(host.output, /deaf did not stop in time/);
  });

  it('is told by ctl to stop, start and restart a service', async () => {
    host.start(service('a', 'exec sleep 1000') + service('b', 'exec sleep 1000'));
    await eventually(() => host.inside('ls', host.file('run/started')) !== '');
    const [a, b] = [host.pid('a'), host.pid('b')];

    assert.deepEqual(host.ctl('stop', 'a'), { status: 0, text: 'a down pid=- restarts=0' });
    assert.equal(host.pid('a'), '');
    await stays(() => host.pid('a') === '', 300);
    assert.match(host.ctl('start', 'a').text, /^a ready pid=\d+ restarts=0$/);
    const again = host.pid('a');
    assert.notEqual(again, a);
    assert.match(host.ctl('restart', 'a').text, /^a ready/);
    assert.notEqual(host.pid('a'), again);
    assert.equal(host.pid('b'), b);
    assert.equal(host.ctl('status').text.split('\n').length, 2);

    const wrong = host.ctl('stop', 'c');
    assert.equal(wrong.status, 1);
    assert.match(wrong.text, /error: cannot stop c; services here: a b/);
  });

  it('a ctl client that says nothing keeps nobody waiting', async () => {
    host.start(service('a', 'exec sleep 1000'));
    await eventually(() => host.pid('a') !== '');
    const silent = `import socket, time; s = socket.socket(socket.AF_UNIX); s.connect("${host.file('run/control')}"); print("there", flush=True); time.sleep(1000)`;
    host.inside('sh', '-c', `python3 -c '${silent}' > ${host.file('silent')} 2>&1 & `);
    await eventually(() => host.read('silent') === 'there');
    assert.match(host.ctl('status').text, /^a ready/);
  });

  it('refuses a declaration that it does not understand', async () => {
    host.start(service('a', 'true', 'restart_delay = 1'));
    assert.equal(await host.ended, 1);
    assert.match(host.output, /\[a\] restart_delay: unknown key or wrong type/);
  });
});
