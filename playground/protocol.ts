/**
 * What the command and the world's daemon say to each other: one JSON line each way per connection,
 * over the unix socket control.sock in the playground's state folder.
 */
import type { HostKind } from './plan.js';

export type ControlRequest =
  | { readonly command: 'status' }
  | { readonly command: 'kill' | 'start' | 'cut' | 'heal'; readonly host: string }
  | { readonly command: 'fencing'; readonly works: boolean };

export type ControlReply =
  { readonly ok: true; readonly world: WorldStatus } | { readonly ok: false; readonly error: string };

export interface HostStatus {
  readonly name: string;
  readonly kind: HostKind;
  readonly address: string;
  readonly power: 'off' | 'booting' | 'on';
  /** Why it is off. */
  readonly reason?: string;
  /**
   * The power switch was told to switch it off since it was last started. A node that is started before the
   * cluster has fenced it is switched off again.
   */
  readonly fenced: boolean;
  /** PID of the host's init as seen in the world. */
  readonly pid?: number;
  /** The node's services have all been started once since this boot. */
  readonly started: boolean;
  readonly cable: 'plugged' | 'cut';
  /** ISO date of the last change of power. */
  readonly since: string;
}

export interface WorldStatus {
  readonly name: string;
  readonly since: string;
  readonly phase: 'preparing' | 'ready' | 'failed';
  readonly error?: string;
  /** false: the power switch has been told to refuse, so no node can be fenced. */
  readonly fencingWorks: boolean;
  /** How many times it has refused since `up`. */
  readonly fencingRefused: number;
  readonly hosts: readonly HostStatus[];
}
