// The `xmlrpc` package against the gateway: spins at each path, values of every type, faults, and a wrong path.

'use strict';

const assert = require('assert');
const xmlrpc = require('xmlrpc');

const base = process.argv[2];

function call(path, method, ...params) {
  const client = xmlrpc.createClient(base + path);
  return new Promise((resolve, reject) => {
    client.methodCall(method, params, (error, value) => (error ? reject(error) : resolve(value)));
  });
}

async function spins() {
  for (const path of ['/', '/RPC2', '/wheel/american', '/wheel/european']) {
    for (let count = 0; count < 10; count++) {
      const [number, colour, parity, range] = await call(path, 'spin');
      assert.match(number, /^(00|[0-9]|[12][0-9]|3[0-6])$/);
      assert.ok(['GREEN', 'RED', 'BLACK'].includes(colour), colour);
      assert.ok(['EVEN', 'ODD', 'ZERO'].includes(parity), parity);
      assert.ok(['LOW', 'HIGH', 'ZERO'].includes(range), range);
    }
    assert.strictEqual((await call(path, 'spinList', 300)).length, 300);
  }
}

async function values() {
  const date = new Date(2026, 1, 28, 12, 0, 59);
  const octets = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet));
  const all = [
    7, -7, 1.5, true, false, '', ' blanks ', '<&>"\' ]]>', 'żółć \u{1F3B2}', [], [[1], ['a', [2]]], {},
    { a: { b: [1, { c: 'd' }] } }, date, octets, [date, octets],
  ];
  for (const value of all) {
    assert.deepStrictEqual(await call('/diagnostics', 'echo', value), value);
  }
  assert.deepStrictEqual(await call('/diagnostics', 'interopEchoTests.echoDate', date), date);
  assert.deepStrictEqual(await call('/diagnostics', 'interopEchoTests.echoBase64', octets), octets);
  assert.strictEqual(await call('/diagnostics', 'validator1.easyStructTest', { moe: 1, larry: 2, curly: -5 }), -2);
  assert.strictEqual(await call('/diagnostics', 'echo', null), null);
}

async function refusals() {
  await assert.rejects(call('/', 'nothing'), { faultCode: -32601 });
  await assert.rejects(call('/', 'spinList', 'three'), { faultCode: -32602 });
  await assert.rejects(call('/', 'spinList', -1), { faultCode: -32602 });
  await assert.rejects(call('/nowhere', 'spin'), (error) => /404|Not Found/.test(String(error)));
  const [spin, fault] = await call('/', 'system.multicall', [
    { methodName: 'spin', params: [] },
    { methodName: 'nothing', params: [] },
  ]);
  assert.strictEqual(spin[0].length, 4);
  assert.strictEqual(fault.faultCode, -32601);
}

spins().then(values).then(refusals).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
