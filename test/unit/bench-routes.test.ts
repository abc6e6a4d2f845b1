import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMetrics, sumOf, workBetween } from '../../bench/etcd-metrics.js';
import {
  percentiles,
  routeFigures,
  type Put,
  type RouteFigures,
  type Sighting,
} from '../../bench/route-figures.js';

function saw(proxy: string, revision: number, at: number): Sighting {
  return { proxy, revision, at };
}

function put(revision: number, at: number, inBurst = false): Put {
  return { revision, at, inBurst };
}

function figures(puts: readonly Put[], applied: readonly Sighting[], acked = applied): RouteFigures {
  return routeFigures({ proxies: ['a', 'b'], puts, applied, acked, limitMs: 1_000, rssMb: 99.6 });
}

describe('the figures of many proxies', () => {
  const puts = [put(5, 100), put(7, 2_000)];

  it('are of each put and each proxy', () => {
    const applied = [saw('a', 5, 110), saw('b', 5, 140), saw('a', 7, 2_020), saw('b', 7, 2_030)];
    const acked = applied.map((one) => ({ ...one, at: one.at + 100 }));
    assert.deepEqual(figures(puts, applied, acked), {
      proxies: 2,
      puts: 2,
      applied_ms: { p50: 20, p99: 40, max: 40 },
      acked_ms: { p50: 120, p99: 140, max: 140 },
      missed: 0,
      reordered: 0,
      rss_mb: 100,
    });
  });

  it('count a route as missed that is applied too late, or only thanks to the next one', () => {
    const applied = [saw('a', 5, 110), saw('a', 7, 2_020), saw('b', 7, 2_030)];
    assert.equal(figures(puts, applied).missed, 1);
    assert.equal(figures(puts, [...applied, saw('b', 5, 1_200)]).missed, 1);
    assert.equal(figures(puts, [...applied, saw('b', 5, 1_000)]).missed, 0);
  });

  it('do not count a route as missed for which a newer one came at once', () => {
    const burst = [put(5, 100, true), put(6, 101, true)];
    const applied = [saw('a', 6, 110), saw('b', 5, 105), saw('b', 6, 120)];
    const found = figures(burst, applied);
    assert.equal(found.missed, 0);
    // How long they take is another matter.
    assert.ok(Number.isNaN(found.applied_ms.max));
  });

  it('count what is applied after something newer', () => {
    const applied = [saw('a', 7, 2_020), saw('a', 5, 2_030), saw('b', 5, 110), saw('b', 7, 2_020)];
    assert.equal(figures(puts, applied, []).reordered, 1);
  });

  it('have their percentiles by nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    assert.deepEqual(percentiles(hundred), { p50: 50, p99: 99, max: 100 });
    assert.deepEqual(percentiles([3]), { p50: 3, p99: 3, max: 3 });
  });
});

describe("etcd's metrics", () => {
  const text = (puts: number, renewals: number): string =>
    [
      '# HELP grpc_server_msg_received_total Total number of messages.',
      '# TYPE grpc_server_msg_received_total counter',
      `grpc_server_msg_received_total{grpc_method="LeaseKeepAlive",grpc_type="bidi_stream"} ${renewals}`,
      'grpc_server_msg_received_total{grpc_method="Range",grpc_type="unary"} 4',
      'grpc_server_msg_received_total{grpc_method="Txn",grpc_type="unary"} 2e+00',
      `etcd_debugging_mvcc_put_total ${puts}`,
      'process_cpu_seconds_total 1.5',
    ].join('\n');

  it('are summed up over the labels that are not asked for', () => {
    const metrics = parseMetrics(text(7, 9));
    assert.equal(sumOf(metrics, 'grpc_server_msg_received_total'), 15);
    assert.equal(sumOf(metrics, 'grpc_server_msg_received_total', 'grpc_method="Range"'), 4);
    assert.equal(sumOf(metrics, 'grpc_server_msg_received'), 0);
  });

  it('tell what the members did: a write, which each of them makes, once, and calls of all of them', () => {
    const [before, after] = [text(7, 9), text(10, 12)].map((one) => [parseMetrics(one), parseMetrics(one)]);
    assert.deepEqual(workBetween(before ?? [], after ?? []), {
      puts: 3,
      leaseRenewals: 6,
      watchMessages: 0,
      calls: 0,
      cpuSeconds: 0,
    });
  });
});
