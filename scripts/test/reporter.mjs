// node:test's spec reporter, with counts in between for the runner: one line of JSON after the byte
// RS (0x1e), which no test prints. In the same stream, so that it comes through namespaces and chroots.
import { spec as Spec } from 'node:test/reporters';

/** Node reports tests that --test-name-pattern leaves out as skipped; nobody skipped them. */
const leftOut = 'test name does not match pattern';

/** The totals that spec prints per file; the runner prints its own. */
const totals = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /;

export default async function* report(source) {
  const spec = new Spec();
  const counts = { passed: 0, failed: 0, skipped: [] };
  for await (const event of source) {
    if (isTotal(event)) continue;
    if (!isLeftOut(event) && count(counts, event)) yield `\u001e${JSON.stringify(counts)}\n`;
    spec.write(event);
    for (let chunk = spec.read(); chunk !== null; chunk = spec.read()) yield chunk;
  }
  spec.end();
  for await (const chunk of spec) yield chunk;
}

/** @returns whether it was a test's end */
function count(counts, { type, data }) {
  if (type !== 'test:pass' && type !== 'test:fail') return false;
  if (data.details?.type === 'suite' && !isOwnResult(type, data)) return false;
  if (data.skip !== undefined || data.todo !== undefined) counts.skipped.push(data.name);
  else if (type === 'test:pass') counts.passed++;
  else counts.failed++;
  return true;
}

/** A suite is no test, and fails with its tests; but one that was skipped, or whose hooks fail, counts. */
function isOwnResult(type, { skip, details }) {
  if (type === 'test:pass') return skip !== undefined;
  return details.error?.failureType !== 'subtestsFailed';
}

function isLeftOut({ data }) {
  return data?.skip === leftOut;
}

function isTotal({ type, data }) {
  return type === 'test:diagnostic' && data.nesting === 0 && totals.test(data.message);
}
