import { after, afterEach, before, describe } from 'node:test';
import { FakeRoutes } from '../fakes/routes.js';
import { EtcdServers } from './etcd-server.js';
import { closeClients, connect, routesOf } from './etcd-support.js';
import { routeStoreContract } from './route-store-contract.js';

describe('a route store in etcd', () => {
  let servers: EtcdServers;
  before(async () => (servers = await EtcdServers.start()));
  after(() => servers.stop());
  afterEach(closeClients);

  routeStoreContract(async () => {
    await servers.etcdctl(['del', '/master']);
    return {
      routes: routesOf(connect(servers)),
      remove: async () => {
        await servers.etcdctl(['del', '/master']);
      },
    };
  });
});

describe('the route store that other tests use', () => {
  routeStoreContract(() => {
    const routes = new FakeRoutes();
    return Promise.resolve({
      routes,
      remove: () => {
        routes.remove();
        return Promise.resolve();
      },
    });
  });
});
