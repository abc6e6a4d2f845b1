import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectionUri, type UriOptions } from '../../src/domain/connection-uri.js';
import type { PublishedTopology } from '../../src/domain/switchover.js';
import { topologyOf } from '../fakes/topologies.js';
import { viewAt } from '../fakes/views.js';

const uri = (
  parts: Partial<UriOptions> = {},
  host = '10.77.0.12',
  topology: PublishedTopology | undefined = topologyOf('pg02'),
): string => {
  const options = {
    role: 'primary',
    fallback: 'none',
    port: 5432,
    user: '',
    database: '',
    ...parts,
  } as const;
  return connectionUri(viewAt(host, topology), options);
};

describe('the connection URI', () => {
  it('of the primary has all members, the primary first, the synchronous standby next', () => {
    assert.equal(
      uri(),
      'postgresql://10.77.0.12:5432,10.77.0.11:5432,10.77.0.13:5432/?target_session_attrs=read-write&connect_timeout=3',
    );
  });

  it('of replicas has healthy standbys first, and those that are down last', () => {
    const whole = topologyOf('pg02');
    const members = whole.members.map((one) => ({ ...one, up: one.name !== 'pg01' }));
    const found = uri({ role: 'replica', port: 5433 }, '10.77.0.12', { ...whole, members });
    assert.match(found, /^postgresql:\/\/10\.77\.0\.13:5433,10\.77\.0\.12:5433,10\.77\.0\.11:5433\/\?/);
    assert.match(found, /target_session_attrs=standby&/);
    assert.match(uri({ role: 'replica', fallback: 'primary' }), /target_session_attrs=prefer-standby&/);
  });

  it('encodes what may stand in names, and puts IPv6 in brackets', () => {
    const whole = topologyOf('pg01');
    const members = whole.members.map((one, at) => ({ ...one, address: `fd00::${at + 1}` }));
    const found = uri({ user: "o'b@x:/?#%", database: 'a b/ü*' }, 'fd00::1', { ...whole, members });
    assert.equal(
      found,
      'postgresql://o%27b%40x%3A%2F%3F%23%25@[fd00::1]:5432,[fd00::2]:5432,[fd00::3]:5432/a%20b%2F%C3%BC%2A' +
        '?target_session_attrs=read-write&connect_timeout=3',
    );
  });

  it('has the route also where the topology does not know it', () => {
    assert.match(uri({}, '10.9.9.9'), /^postgresql:\/\/10\.9\.9\.9:5432,10\.77/);
    assert.match(uri({ role: 'replica' }, '10.9.9.9'), /,10\.9\.9\.9:5432\/\?/);
  });
});
