import { agentParameters } from '../domain/agent-parameters.js';
import { renderClusterConfig } from '../rendering/cluster-config.js';
import type { Command } from './context.js';

export const run: Command<'cluster-config'> = async ({ config, signal, stdout }) => {
  const text = await renderClusterConfig(
    {
      tool: config['cluster-tool'],
      resource: config['pacemaker-resource'],
      memberCount: config['cluster-members'].length,
      parameters: agentParameters(config),
      startTimeout: config['agent-start-timeout'],
      fencing: !config['no-fencing'],
    },
    signal,
  );
  stdout.write(text);
  return 0;
};
