// The `soap` package against the gateway: document style in both versions of SOAP, a wheel, faults, every type.

'use strict';

const assert = require('assert');
const soap = require('soap');

const base = process.argv[2];

/** Calls an operation and gives its result. */
async function call(client, method, args) {
  const [answer] = await client[`${method}Async`](args);
  return answer === null ? undefined : answer.result;
}

async function spins(client) {
  for (let count = 0; count < 5; count++) {
    const pocket = await call(client, 'spin', {});
    assert.match(pocket.number, /^(00|[0-9]|[12][0-9]|3[0-6])$/);
    assert.ok(['GREEN', 'RED', 'BLACK'].includes(pocket.color), pocket.color);
  }
  assert.strictEqual((await call(client, 'spinList', { spins: 3 })).length, 3);
  assert.strictEqual((await call(client, 'spinList', {})).length, 1);
  const counts = await call(client, 'spinCounts', { spins: 1000 });
  assert.strictEqual(counts.entry.reduce((sum, entry) => sum + Number(entry.value), 0), 1000);
}

/** The fault of a call, as the client shows it. */
async function fault(client, method, args) {
  try {
    await call(client, method, args);
  } catch (error) {
    return error.root.Envelope.Body.Fault;
  }
  throw new Error(`${method} was answered`);
}

async function faults(wheel, every, twelve) {
  const refused = await fault(wheel, 'spinList', { spins: 1000000000 });
  const failed = await fault(every, 'limited', { amount: 11 });
  if (twelve) {
    assert.match(refused.Code.Value, /:Sender$/);
    assert.match(refused.Code.Subcode.Value, /:BadArguments$/);
    assert.match(refused.Reason.Text.$value || refused.Reason.Text, /`spins` is at most/);
    assert.match(failed.Code.Value, /:Receiver$/);
    assert.match(JSON.stringify(failed.Detail), /4711/);
  } else {
    assert.match(refused.faultcode, /:Client$/);
    assert.match(refused.faultstring, /`spins` is at most/);
    assert.match(failed.faultcode, /:Server$/);
    assert.strictEqual(failed.faultstring, '11 is more than 10');
    assert.match(JSON.stringify(failed.detail), /4711/);
  }
}

async function everyType(client) {
  const text = '<&>"\' ]]> żółć \u{1F3B2}';
  const texts = await call(client, 'texts', { text, flag: true, colour: 'BLACK', letter: 'é' });
  assert.deepStrictEqual({ ...texts }, { text, flag: true, colour: 'BLACK', letter: 'é' });
  const numbers = { tiny: -128, byte: 255, short: -32768, int: 100, count: 4294967295, large: -5, huge: 5, share: 0.5, single: 1.5 };
  const same = await call(client, 'numbers', numbers);
  for (const name of Object.keys(numbers)) assert.strictEqual(Number(same[name]), numbers[name], name);

  const some = await call(client, 'optional', { must: 1 });
  assert.deepStrictEqual([some.must, some.may ?? null, some.otherwise, some.colour], [1, null, 7, 'RED']);
  const all = await call(client, 'optional', { must: 1, may: 2, otherwise: 3, point: { x: 1, y: 2, label: 'p' }, colour: 'GREEN' });
  assert.deepStrictEqual([all.may, all.otherwise, all.point.label, all.colour], [2, 3, 'p', 'GREEN']);

  const when = new Date(Date.UTC(2026, 1, 28, 12, 0, 59));
  const moment = await call(client, 'moment', { when: when.toISOString(), data: Buffer.from([0, 255]).toString('base64') });
  assert.strictEqual(moment.when.getTime(), when.getTime());
  assert.strictEqual(moment.data, 'AP8=');

  const lists = await call(client, 'lists', {
    numbers: [1, 2], table: [{ item: [1.5, 2] }, { item: [3] }], points: [{ x: 1, y: 2 }, { x: 3, y: 4, label: 'q' }], notes: ['a', 'b'],
  });
  assert.deepStrictEqual(lists.numbers, [1, 2]);
  assert.deepStrictEqual(lists.table.map((row) => row.item.map(Number)), [[1.5, 2], [3]]);
  assert.deepStrictEqual(lists.points.map((point) => [Number(point.x), point.label ?? null]), [[1, null], [3, 'q']]);
  assert.deepStrictEqual(lists.notes, ['a', 'b']);

  const counted = await call(client, 'maps', {
    numbers: { entry: [{ key: 'a b', value: 5 }, { key: 'c', value: 6 }] }, points: { entry: [{ key: 'p', value: { x: 1, y: 2 } }] },
  });
  assert.deepStrictEqual([Number(counted.sum), Number(counted.points), counted.numbers.entry.length], [11, 1, 2]);

  const place = { room: 'r', shelf: 1 };
  const folder = await call(client, 'folder', { folder: { name: 'outer', place, folders: [{ name: 'inner', place }] } });
  assert.strictEqual([folder.folders].flat()[0].name, 'inner');
  const pair = await call(client, 'pair', { pair: { arg1: 7, arg2: 'seven' } });
  assert.deepStrictEqual([pair.arg1, Number(pair.arg2)], ['seven', 7]);
  const free = await call(client, 'free', { value: { array: { item: [{ int: 1 }, { string: 'a' }] } } });
  assert.strictEqual(free.array.item[1].string, 'a');
  assert.strictEqual((await call(client, 'free', { value: { base64: 'AP8=' } })).base64, 'AP8=');
  assert.strictEqual(Number(await call(client, 'divide', { arg1: 1, arg2: 4 })), 0.25);
  assert.strictEqual(await call(client, 'nothing', {}), undefined);
}

async function main() {
  for (const [query, options] of [
    ['', {}],
    ['&soap=1.2', { forceSoap12Headers: true }],
    // This port is one of SOAP 1.2, and the calls to it are of SOAP 1.1: they are answered in their own version.
    ['&soap=1.2', {}],
    ['&soap=both', {}],
  ]) {
    const wheel = await soap.createClientAsync(`${base}/wheel/american?wsdl${query}`, options);
    const every = await soap.createClientAsync(`${base}/every?wsdl${query}`, options);
    await spins(wheel);
    await faults(wheel, every, options.forceSoap12Headers);
    await everyType(every);
  }
  // In rpc style the package can call what has parameters, but gives records as text.
  const rpc = await soap.createClientAsync(`${base}/every?wsdl&style=rpc`);
  const [answer] = await rpc.divideAsync({ arg1: 1, arg2: 4 });
  assert.strictEqual(Number(answer.result), 0.25);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
