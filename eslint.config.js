import eslint from '@eslint/js';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import { importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/**
 * Which folder of src/ may import which. The domain imports nothing; adapters import the domain
 * and the runtime helpers; the use cases (failover, supervise, proxy) see ports, and cli/ wires.
 */
const adapters = ['cluster', 'etcd', 'pgbouncer', 'postgres', 'grpc'];
const useCases = ['failover', 'supervise', 'proxy'];
const layers = {
  domain: [],
  runtime: ['domain'],
  telemetry: ['domain', 'runtime'],
  config: ['domain', 'runtime'],
  ...Object.fromEntries(adapters.map((a) => [a, [a, 'domain', 'runtime', 'telemetry']])),
  ...Object.fromEntries(useCases.map((u) => [u, [u, 'domain', 'runtime', 'telemetry']])),
  cli: [...adapters, ...useCases, 'cli', 'domain', 'runtime', 'telemetry', 'config'],
};
const zones = Object.entries(layers).map(([target, may]) => ({
  target: `./src/${target}`,
  from: './src',
  except: [...new Set([target, ...may])].map((folder) => `./${folder}`),
  message: `src/${target} may import only: ${may.join(', ') || 'nothing'}.`,
}));

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '.playground/'] },
  eslint.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    plugins: { 'import-x': importX },
    languageOptions: { parserOptions: { project: './tsconfig.json' } },
    settings: { 'import-x/resolver-next': [createTypeScriptImportResolver()] },
    rules: {
      'import-x/no-cycle': 'error',
      'import-x/no-restricted-paths': ['error', { basePath: import.meta.dirname, zones }],
      'no-restricted-globals': [
        'error',
        { name: 'process', message: 'Only main touches the process: pass what you need.' },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  {
    files: ['src/domain/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ regex: '^(?!\\./[a-z-]+\\.js$)', message: 'The domain imports nothing.' }] },
      ],
    },
  },
  {
    // Main owns the process. The playground, benches and tests are programs of their own.
    files: ['src/main.ts', 'playground/**', 'bench/**', 'test/**', 'scripts/**', '*.js'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly' } },
    rules: { 'no-restricted-globals': 'off' },
  },
  {
    // Plain JavaScript, so that no type checker knows Node's own globals here.
    files: ['scripts/**'],
    languageOptions: { globals: { URL: 'readonly', AbortController: 'readonly', AbortSignal: 'readonly' } },
  },
  {
    files: ['test/**'],
    rules: { '@typescript-eslint/no-floating-promises': 'off' },
  },
);
