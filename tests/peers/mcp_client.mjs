// MCP clients for Node: `@modelcontextprotocol/sdk`, also of the time of earlier revisions, and `@modelcontextprotocol/client` with
// each way to agree on a revision; prints the revisions. The packages must be in the folder that NODE_PATH names.
import assert from 'node:assert';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

// Modules of this kind are not looked for in NODE_PATH, except by `require`.
const require = createRequire(import.meta.url);
const base = process.argv[2];
const COLOURS = ['GREEN', 'RED', 'BLACK'];

/** A peer out of a version of the SDK, under the name by which it is installed. */
function sdk(name) {
  const { Client } = require(`${name}/client/index.js`);
  const { StreamableHTTPClientTransport } = require(`${name}/client/streamableHttp.js`);
  return { name, make: () => new Client({ name: 'croupier-tests', version: '7' }), Transport: StreamableHTTPClientTransport };
}

/** A peer out of the client package, which agrees on a revision in this way. */
function client(mode) {
  const { Client, StreamableHTTPClientTransport } = require('@modelcontextprotocol/client');
  const make = () => new Client({ name: 'croupier-tests', version: '7' }, mode && { versionNegotiation: { mode } });
  return { name: `client ${JSON.stringify(mode)}`, make, Transport: StreamableHTTPClientTransport };
}

/** Connects to a group, makes these calls, and leaves. */
async function connected({ make, Transport }, path, calls) {
  const peer = make();
  const transport = new Transport(new URL(`${base}${path}/mcp`));
  // What goes wrong outside of a request, such as the stream that a client may open after `initialize`.
  const wrong = [];
  peer.onerror = error => wrong.push(error);
  await peer.connect(transport);
  try {
    return await calls(peer, transport, wrong);
  } finally {
    await peer.close();
  }
}

function call(peer, name, args, options) {
  return 'getProtocolEra' in peer
    ? peer.callTool({ name, arguments: args }, options)
    : peer.callTool({ name, arguments: args }, undefined, options);
}

function isPocket([number, colour, parity, half]) {
  assert(Number(number) >= 0 && Number(number) <= 36, number);
  assert(COLOURS.includes(colour) && ['EVEN', 'ODD', 'ZERO'].includes(parity) && ['LOW', 'HIGH', 'ZERO'].includes(half));
}

/** The texts of a result, which has nothing else. */
function text({ content }) {
  assert(content.every(block => block.type === 'text'), JSON.stringify(content));
  return content.map(block => block.text).join('\n');
}

/** What a tool returns: old clients leave `structuredContent` to their callers, and older revisions do not have it. */
function returned(result) {
  assert(!result.isError, JSON.stringify(result));
  return result.structuredContent ? result.structuredContent.result : JSON.parse(text(result));
}

/** Makes a call that the tool refuses, with these words. */
async function refused(peer, name, args, ...words) {
  const result = await call(peer, name, args);
  assert(result.isError && result.structuredContent === undefined, JSON.stringify(result));
  for (const word of words) assert(text(result).includes(word), `${word}: ${text(result)}`);
}

/** Calls of a wheel's tools, with and without arguments, and with wrong ones. */
async function calls(peer, transport, wrong) {
  const { tools } = await peer.listTools();
  const names = tools.map(tool => tool.name);
  for (const name of ['spin', 'spinList', 'pockets']) assert(names.includes(name), names.join());
  for (const tool of tools) assert(tool.description && tool.inputSchema.type === 'object', JSON.stringify(tool));
  const spinList = tools.find(tool => tool.name === 'spinList');
  assert.strictEqual(spinList.inputSchema.properties.spins.type, 'integer');
  assert.strictEqual(tools.find(tool => tool.name === 'pockets').annotations.readOnlyHint, true);

  isPocket(returned(await call(peer, 'spin')));
  const many = returned(await call(peer, 'spinList', { spins: 17 }));
  assert.strictEqual(many.length, 17);
  many.forEach(isPocket);
  assert.strictEqual(returned(await call(peer, 'pockets', {})).length, 37);

  await refused(peer, 'spinList', { spins: 'plenty' }, 'spins');
  await refused(peer, 'spinList', { tpyo: 3 }, 'tpyo');
  await refused(peer, 'spinCounts', {}, 'spins');
  await refused(peer, 'spinList', { spins: 10000001 }, '10000000');
  await assert.rejects(call(peer, 'no_such_tool', {}), { code: -32602, message: /no_such_tool/ });

  const revision = transport.protocolVersion ?? peer.getNegotiatedProtocolVersion?.();
  if (!revision || revision < '2026-07-28') await peer.ping();
  assert.deepStrictEqual(wrong, []);
  return revision;
}

/** A call that the caller gives up while it runs: it ends, and further calls of the same client work. */
async function cancelled(kind) {
  await connected(kind, '/waiter', async peer => {
    const hanging = async () => returned(await call(peer, 'hanging'));
    const abort = new AbortController();
    const before = await hanging();
    const given = call(peer, 'hang', {}, { signal: abort.signal });
    for (let asked = 0; (await hanging()) === before; asked++) {
      assert(asked < 1000, 'the call does not begin');
      await sleep(20);
    }
    abort.abort(new Error('enough'));
    await assert.rejects(given, /enough/);
    for (let asked = 0; (await hanging()) > before; asked++) {
      assert(asked < 1000, 'the call does not end');
      await sleep(20);
    }
  });
}

for (const [kind, expected] of [
  [sdk('mcp-sdk-1.12'), undefined],
  [sdk('mcp-sdk-1.22'), '2025-06-18'],
  [sdk('@modelcontextprotocol/sdk'), '2025-11-25'],
  [client(), '2025-11-25'],
  [client('auto'), '2026-07-28'],
  [client({ pin: '2026-07-28' }), '2026-07-28'],
]) {
  const revision = await connected(kind, '/wheel/european', calls);
  assert.strictEqual(revision, expected, kind.name);
  await cancelled(kind);
  console.log(kind.name, revision);
}
process.exit(0);
