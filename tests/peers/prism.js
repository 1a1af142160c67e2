// Prism as a server that validates requests, for each document of which a file is named. Prints a line for each: the port on
// which it listens, or why it does not. What the documents say of credentials is left out.
'use strict';

const { readFileSync } = require('node:fs');
const { createLogger } = require('@stoplight/prism-core');
const { getHttpOperationsFromSpec } = require('@stoplight/prism-http');
const { createServer } = require('@stoplight/prism-http-server');
const { parse } = require('@stoplight/yaml');

// As `prism mock --errors` has it, but for the credentials.
const config = {
  isProxy: false,
  checkSecurity: false,
  validateRequest: true,
  validateResponse: true,
  errors: true,
  mock: { dynamic: false },
};

// The path of the first server of an operation. Prism itself serves each operation without it.
function base({ servers }, document) {
  const [server] = servers ?? [];
  if (!server) return (document.basePath ?? '').replace(/\/$/, '');
  const url = server.url.replace(/\{([^}]*)\}/g, (_, name) => server.variables?.[name]?.default ?? '');
  return new URL(url, 'http://localhost/').pathname.replace(/\/$/, '');
}

async function serve(file) {
  const operations = await getHttpOperationsFromSpec(file);
  const document = parse(readFileSync(file, 'utf8'));
  for (const operation of operations) {
    // Some documents have the signs of RFC 6570 in the names of variables, which Prism does not know.
    const path = operation.path.replace(/\{[.;]?([^}*]*)\*?\}/g, '{$1}');
    operation.path = base(operation, document) + path;
  }
  const logger = createLogger('prism', { level: 'silent', customLevels: { start: 11 } });
  const server = createServer(operations, { cors: false, config, components: { logger } });
  const { prism } = server;
  const judge = prism.request;
  // Prism does not catch its own errors: without this, one would end all servers.
  prism.request = (...args) => {
    try {
      return judge(...args);
    } catch (error) {
      return async () => ({ _tag: 'Left', left: Object.assign(error, { status: 500 }) });
    }
  };
  return new URL(await server.listen(0, '127.0.0.1')).port;
}

async function main() {
  for (const file of process.argv.slice(2)) {
    try {
      console.log(await serve(file));
    } catch (error) {
      console.log(`not served: ${String(error.message || error).split('\n')[0]}`);
    }
  }
}

main();
