// A JSON-RPC server out of the `jayson` package; prints the port on which it listens.

'use strict';

const jayson = require('jayson');

/** Arguments as they come, by position or by name. */
const given = (args, ...names) => (Array.isArray(args) ? args : names.map((name) => args[name]));

const server = new jayson.Server({
  add(args, done) {
    const [a, b] = given(args, 'a', 'b');
    if (typeof a !== 'number' || typeof b !== 'number') {
      done(this.error(-32602, 'two numbers, please'));
    } else {
      done(null, a + b);
    }
  },
  rows(args, done) {
    const [count] = given(args, 'count');
    done(null, Array.from({ length: count }, (_, row) => ({ row, odd: row % 2 === 1, half: row / 2 + 0.25, none: null })));
  },
  bust(args, done) {
    done({ code: 21, message: 'more than twenty-one', data: { cards: [10, 9, 5] } });
  },
});

const http = server.http();
http.listen(0, '127.0.0.1', () => console.log(http.address().port));
