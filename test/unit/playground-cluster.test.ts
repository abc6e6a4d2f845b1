import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCrmMon } from '../../playground/cluster.js';

test('the primary is found behind an instance that runs nowhere', () => {
  const view = parseCrmMon(`<pacemaker-result>
    <summary><current_dc present="true" name="pg03" with_quorum="true"/></summary>
    <nodes><node name="pg01" online="true"/><node name="pg02" online="true"/><node name="pg03" online="false"/></nodes>
    <resources><clone id="msPostgresql">
      <resource id="pgsql" role="Stopped" active="false" nodes_running_on="0" pending="Monitoring"/>
      <resource id="pgsql" role="Promoted" active="true" nodes_running_on="1">
        <node name="pg02" id="2" cached="true"/>
      </resource>
      <resource id="pgsql" role="Unpromoted" active="true" nodes_running_on="1">
        <node name="pg01" id="1" cached="true"/>
      </resource>
    </clone></resources>
  </pacemaker-result>`);
  assert.equal(view.primary, 'pg02');
  assert.deepEqual(view.standbys, ['pg01']);
  assert.equal(view.quorum, true);
  assert.deepEqual(view.online, ['pg01', 'pg02']);
});
