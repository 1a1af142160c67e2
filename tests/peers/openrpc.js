// The OpenRPC document of each group against OpenRPC's meta-schema, every schema in it against JSON Schema's, and
// what the methods answer against the document's own words.

'use strict';

const assert = require('assert');
const Ajv = require('ajv').default;
const { meta } = require('./openrpc_meta.js');

const base = process.argv[2];

async function post(path, method, params) {
  const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });
  const headers = { 'Content-Type': 'application/json' };
  return (await (await fetch(base + path, { method: 'POST', headers, body })).json()).result;
}

const CALLS = {
  '/every': [
    ['numbers', [-1, 255, 7, 100, 4294967295, -9007199254740991, 9007199254740991, 0.5, 1.5]],
    ['texts', { text: 'é', flag: true, colour: 'RED', letter: 'x' }],
    ['optional', [1]],
    ['optional', [1, 2, 3, { x: 1, y: 2, label: 'a' }, 'BLACK']],
    ['moment', ['1998-07-17T14:08:55Z', 'aGk=']],
    ['lists', [[1, 2], [[1.5], []], [{ x: 1, y: 2 }], ['a', null]]],
    ['maps', { numbers: { a: 1 }, points: { b: { x: 1, y: 2 } } }],
    ['folder', [{ name: 'a', place: { room: 'r', shelf: 1 }, folders: [{ name: 'b', place: { room: 's', shelf: 2 } }] }]],
    ['shape', ['Plane']],
    ['shape', [{ Box: { width: 1, height: 2 } }]],
    ['pair', [[1, 'a']]],
    ['free', [{ a: [null] }]],
    ['divide', [1, 2]],
    ['nothing', []],
    ['points', [3]],
    ['later', { a: 1, b: 2 }],
  ],
  '/wheel': [['spin', []], ['spinList', [3]], ['spinCounts', [10]], ['pockets', []]],
};

async function main() {
  const sound = meta();
  for (const [path, calls] of Object.entries(CALLS)) {
    const document = await (await fetch(`${base}${path}/openrpc.json`)).json();
    assert.ok(sound(document), JSON.stringify(sound.errors, null, 2));
    assert.ok(!sound({ ...document, methods: [{ name: 'm' }] }), 'the meta-schema refuses what is wrong');
    assert.deepStrictEqual(await post(path, 'rpc.discover'), document);
    assert.strictEqual(document.servers[0].url, base + path);
    const ajv = new Ajv({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'd', components: document.components });
    for (const [name, params] of calls) {
      const { params: asked, result } = document.methods.find((method) => method.name === name);
      const checked = (schema, value) => {
        const text = JSON.stringify(schema).replaceAll('"#/', '"d#/');
        const validate = ajv.compile(JSON.parse(text));
        assert.ok(validate(value), `${name}: ${JSON.stringify(value)} ${JSON.stringify(validate.errors)}`);
      };
      const given = Array.isArray(params) ? Object.fromEntries(params.map((it, at) => [asked[at].name, it])) : params;
      for (const param of asked) {
        assert.ok(!param.required || param.name in given, `${name}: ${param.name}`);
        if (param.name in given) checked(param.schema, given[param.name]);
      }
      const answer = await post(path, name, params);
      assert.notStrictEqual(answer, undefined, name);
      checked(result.schema, answer);
    }
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
