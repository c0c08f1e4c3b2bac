// Where the things under test are; the one reader of the environment.

import { fileURLToPath } from 'node:url';

/** The folder of the contract's .proto files. */
export const contractProtos = fileURLToPath(new URL('../../../../proto', import.meta.url));

/** The folder of .proto files that are in no package. */
export const ownProtos = fileURLToPath(new URL('../protos', import.meta.url));

/** The folder in which google/api and google/rpc are. */
export const googleProtos = required('GOOGLE_PROTOS');

/** The command under test. */
export const bottradingCommand = required('BOTTRADING_COMMAND');

/** The environment of the service: no setting of the person who runs the tests reaches it. */
export const serviceEnvironment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.toUpperCase().startsWith('BOTTRADING_')),
);

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run \`make test-clients\``);
  return value;
}
