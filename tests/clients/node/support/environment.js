// Where the things under test are; the one reader of the environment.

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What is told to whoever writes a client. */
export const guide = fileURLToPath(new URL('../../../../docs/bot-authors.md', import.meta.url));

/** The folder of the contract's .proto files. */
export const contractProtos = fileURLToPath(new URL('../../../../proto', import.meta.url));

/** The folder of .proto files that are in no package. */
export const ownProtos = fileURLToPath(new URL('../protos', import.meta.url));

/** The command under test. */
export const bottradingCommand = required('BOTTRADING_COMMAND');

/** The Python that the command under test runs on; it has the Python client. */
export const pythonCommand = join(dirname(bottradingCommand), 'python');

/** The bot in Python that reads its orders from its standard input. */
export const tradingBot = fileURLToPath(new URL('../../trading_bot.py', import.meta.url));

/** What runs a command whose standard error is a terminal. */
export const onTerminal = fileURLToPath(new URL('../../on_terminal.py', import.meta.url));

/** Return what runs an example, `agent/agent` for one, in each language that it is written in. */
export function exampleCommands(name) {
  const file = fileURLToPath(new URL(`../../../../examples/${name}`, import.meta.url));
  const bin = (command, folder) =>
    fileURLToPath(new URL(`../../../../${folder}/${command}`, import.meta.url));
  return {
    Python: [bin('python', '.venv/bin'), `${file}.py`],
    TypeScript: [bin('tsx', 'examples/node_modules/.bin'), `${file}.ts`],
  };
}

/** The browser that stands for all browsers. */
export const chromiumCommand = process.env.CHROMIUM || '/usr/bin/chromium';

/** The environment of the service: no setting of the person who runs the tests reaches it. */
export const serviceEnvironment = without('BOTTRADING_');

/** Return the environment of a browser that keeps everything it writes in one directory. */
export function browserEnvironment(directory) {
  return { ...without('XDG_'), HOME: directory, TMPDIR: directory };
}

function without(prefix) {
  const others = ([name]) => !name.toUpperCase().startsWith(prefix);
  return Object.fromEntries(Object.entries(process.env).filter(others));
}

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run \`make test-clients\``);
  return value;
}
