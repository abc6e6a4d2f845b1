/**
 * Which folder of src/ may import which. The domain imports nothing; adapters import the domain and the
 * runtime helpers; the use cases (failover, supervise, proxy) see ports only, and cli/ wires.
 */
const adapters = ['cluster', 'etcd', 'pgbouncer', 'postgres', 'grpc', 'outputs'];
const useCases = ['failover', 'supervise', 'proxy', 'cleanup', 'adopt', 'status'];
const shared = ['domain', 'runtime', 'telemetry'];
/** These write or show the JSON records that src/records/ declares. */
const withRecords = ['etcd', 'grpc', 'failover', 'status'];
/** Both keep PgBouncers paused, so what does that is neither's own. */
const withPausing = ['supervise', 'proxy'];
/** These make files from templates. */
const withRendering = ['pgbouncer', 'outputs'];
const layers = {
  domain: [],
  records: ['domain'],
  pausing: ['domain', 'runtime'],
  rendering: ['domain', 'runtime'],
  runtime: ['domain'],
  telemetry: ['domain', 'runtime'],
  config: ['domain', 'runtime'],
  ...Object.fromEntries(
    adapters.map((adapter) => [adapter, [...shared, ...records(adapter), ...rendering(adapter)]]),
  ),
  ...Object.fromEntries(
    useCases.map((useCase) => [useCase, [...shared, ...records(useCase), ...pausing(useCase)]]),
  ),
  cli: [...adapters, ...useCases, ...shared, 'config', 'records', 'pausing', 'rendering'],
};

function records(folder) {
  return withRecords.includes(folder) ? ['records'] : [];
}

function rendering(folder) {
  return withRendering.includes(folder) ? ['rendering'] : [];
}

function pausing(folder) {
  return withPausing.includes(folder) ? ['pausing'] : [];
}

module.exports = {
  forbidden: [
    {
      name: 'no-cycle',
      comment: 'Cycles of imports that are there at run time; an import of a type alone is not.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'domain-imports-nothing',
      comment: 'Neither another folder, nor a package, nor a module of Node.',
      severity: 'error',
      from: { path: '^src/domain/' },
      to: { pathNot: '^src/domain/' },
    },
    ...Object.entries(layers).map(([folder, may]) => ({
      name: `${folder}-imports`,
      comment: `src/${folder} may import only: ${may.join(', ') || 'nothing'}.`,
      severity: 'error',
      from: { path: `^src/${folder}/` },
      to: { path: '^src/', pathNot: `^src/(${[folder, ...may].join('|')})/` },
    })),
    {
      name: 'nothing-from-outside-src',
      comment: 'The playground, the benchmarks and the tests use pgcm; pgcm does not know them.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(playground|bench|test|scripts)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Imports of types count, too: they tie folders together as much as those of values do.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.mjs', '.cjs'] },
  },
};
