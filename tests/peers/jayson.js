// jayson against the gateway: calls by position and by name, notifications, batches, errors, and version 1.0 refused.

'use strict';

const assert = require('assert');
const jayson = require('jayson/promise');

const url = new URL(process.argv[2]);

function client(path, options = {}) {
  return jayson.Client.http({ hostname: url.hostname, port: url.port, path, ...options });
}

async function main() {
  const wheel = client('/wheel');
  const [number, colour] = (await wheel.request('spin', [])).result;
  assert.match(number, /^(00|[0-9]|[12][0-9]|3[0-6])$/);
  assert.ok(['GREEN', 'RED', 'BLACK'].includes(colour), colour);
  assert.strictEqual((await wheel.request('spinList', { spins: 1000 })).result.length, 1000);

  const every = client('/every');
  for (const value of [null, true, 0, -1.5, 9007199254740991, '', 'żółć \u{1F3B2} "\\', [], [[1], {}], { a: { b: [1] } }]) {
    assert.deepStrictEqual((await every.request('free', [value])).result, value);
    assert.deepStrictEqual((await every.request('free', { value })).result, value);
  }

  // An id of null makes a notification with jayson.
  assert.strictEqual(await every.request('free', [1], null), undefined);
  assert.strictEqual(await every.request('nowhere', [], null), undefined);

  const missing = await every.request('nowhere', []);
  assert.deepStrictEqual([missing.error.code, missing.error.data], [-32601, { kind: 'no-such-method' }]);
  const wrong = await every.request('later', { a: 'x', b: 1 });
  assert.strictEqual(wrong.error.code, -32602);
  assert.ok(wrong.error.message.includes('`a`'), wrong.error.message);
  assert.strictEqual((await every.request('limited', [11])).error.code, 4711);

  const batch = [
    every.request('later', [1, 2], undefined, false),
    every.request('nothing', [], null, false),
    every.request('nowhere', [], undefined, false),
    every.request('points', [3], undefined, false),
  ];
  const answers = await every.request(batch);
  assert.deepStrictEqual(answers.map((answer) => answer.id), [0, 2, 3].map((at) => batch[at].id));
  assert.deepStrictEqual(answers.map((answer) => answer.error?.code ?? answer.result.length ?? answer.result), [3, -32601, 3]);
  const silent = [every.request('nothing', [], null, false), every.request('nowhere', [], null, false)];
  assert.strictEqual(await every.request(silent), undefined);

  const old = await client('/every', { version: 1 }).request('nothing', []);
  assert.strictEqual(old.error.code, -32600);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
