import { EtcdHistoryStore } from '../etcd/history-store.js';
import { historyText } from '../status/history-text.js';
import { historyJson } from '../status/json.js';
import type { Command } from './context.js';
import { openEtcd } from './parts.js';

export const run: Command<'history'> = async ({ config, log, signal, stdout }) => {
  const etcd = await openEtcd(config, log);
  try {
    const found = await new EtcdHistoryStore(etcd).list(signal);
    stdout.write(config.json ? `${historyJson(found)}\n` : historyText(found));
    return 0;
  } finally {
    etcd.close();
  }
};
