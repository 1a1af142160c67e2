// json-server, which makes REST of a JSON document; prints the port on which it listens.
'use strict';

const jsonServer = require('json-server');

const server = jsonServer.create();
const router = jsonServer.router({
  guests: [
    { id: 7, name: 'Ann', chips: 30 },
    { id: 8, name: 'Bo & Co', chips: 5 },
  ],
  bets: [{ id: 'b/1', guestId: 7, on: 'RED' }],
  house: { open: true },
});
server.use(jsonServer.bodyParser);
server.use(router);
const listener = server.listen(0, '127.0.0.1', () => console.log(listener.address().port));
