/** The world's daemon. Usage: node main.js WORLD.JSON. Its output is the world's log. */
import { messageOf } from '../errors.js';
import { readWorldConfig } from '../world-config.js';
import { serveControl } from './control.js';
import { World } from './world.js';

const file = process.argv[2];
if (file === undefined) throw new Error('the path of the world configuration is missing');
const config = readWorldConfig(file);
const world = new World(config);
await serveControl(world, config.controlSocket);
try {
  await world.prepare();
  console.log('every host is on');
} catch (error) {
  // It stays up all the same: the one who waits for it asks for the reason.
  console.error(messageOf(error));
}
