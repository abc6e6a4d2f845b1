import { testArenas } from './explored.js';

testArenas(({ bounds }) => bounds.members > 2);
