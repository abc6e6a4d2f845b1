import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PlaygroundError } from '../errors.js';
import { runChecked } from '../exec.js';

const timeoutMs = 20_000;
const pollMs = 5;
const mebibyte = 1_024 ** 2;

/**
 * ext4's EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: from now on nothing of this file system reaches its device,
 * neither what waits in the page cache nor the journal's open transaction. Node has no ioctl, and perl is on every Debian.
 */
const cutPower =
  'open(my $folder, "<", $ARGV[0]) or die "$!"; my $flags = pack("L", 2); ioctl($folder, 0x8004587D, $flags) or die "$!"';

export interface LosingDiskPlan {
  /** The file that is the device. It is sparse. */
  readonly image: string;
  readonly mebibytes: number;
  /** Where the file system is mounted. */
  readonly mountPoint: string;
  /** Folders of the host that lie on it. What is in them at first is taken along. */
  readonly folders: readonly string[];
}

/**
 * A disk that forgets at a power loss what was not synced: ext4 on a loop device. The device's file is what reached
 * the platter; the rest is in the page cache, which drop() throws away. Mounted again, the journal is replayed, as after
 * a real one. The loop device goes with the last mount, so also with the world.
 */
export class LosingDisk {
  private mounted = false;

  constructor(private readonly plan: LosingDiskPlan) {}

  async make(): Promise<void> {
    const { image, mebibytes, mountPoint, folders } = this.plan;
    for (const folder of [dirname(image), mountPoint, ...folders]) mkdirSync(folder, { recursive: true });
    writeFileSync(image, '');
    truncateSync(image, mebibytes * mebibyte);
    const features = ['-J', 'size=16', '-E', 'lazy_itable_init=1,nodiscard'];
    await must('mkfs.ext4', '-q', '-m', '0', ...features, image);
    await must('mount', '-o', 'loop,noatime', image, mountPoint);
    for (const folder of folders) await must('cp', '-a', folder, this.#onDisk(folder));
    await must('sync', '-f', mountPoint);
    await this.#bind();
    this.mounted = true;
  }

  /** Nothing happens when it is there, as after a shutdown of its host that was none of ours. */
  async mount(): Promise<void> {
    if (this.mounted) return;
    const { image, mountPoint } = this.plan;
    await this.#untilReleased();
    await must('mount', '-o', 'loop,noatime', image, mountPoint);
    await this.#bind();
    this.mounted = true;
  }

  /** Power loss. The host's processes are gone by now. */
  async drop(): Promise<void> {
    if (!this.mounted) return;
    const { mountPoint, folders } = this.plan;
    await must('perl', '-e', cutPower, mountPoint);
    for (const target of [...folders, mountPoint]) await must('umount', target);
    this.mounted = false;
  }

  async #bind(): Promise<void> {
    for (const folder of this.plan.folders) await must('mount', '--bind', this.#onDisk(folder), folder);
  }

  /** The host's own mounts end with its last process, and in the kernel's own time. */
  async #untilReleased(): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while ((await must('losetup', '-j', this.plan.image)).trim() !== '') {
      if (performance.now() > deadline) {
        throw new PlaygroundError(`${this.plan.image} is in use ${timeoutMs / 1_000} s after its power loss`);
      }
      await delay(pollMs);
    }
  }

  #onDisk(folder: string): string {
    return join(this.plan.mountPoint, basename(folder));
  }
}

function must(file: string, ...args: string[]): Promise<string> {
  return runChecked(file, args, { timeoutMs });
}
