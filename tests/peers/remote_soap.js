// A SOAP server out of the `soap` package, by the document `remote_soap.wsdl`; prints the port on which it listens.

'use strict';

const fs = require('fs');
const http = require('http');
const path = require('path');
const soap = require('soap');

const wsdl = fs.readFileSync(path.join(__dirname, 'remote_soap.wsdl'), 'utf8');

/** What comes once or several times as what comes several times. */
const several = (value) => (value === undefined ? [] : [].concat(value));

const port = {
  spinList: ({ spins }) => ({
    pocket: Array.from({ length: Number(spins) }, (_, at) => ({ number: String(at), color: at % 2 ? 'BLACK' : 'RED', weight: at + 0.5 })),
  }),
  sum: ({ number }) => ({ total: several(number).reduce((sum, each) => sum + Number(each), 0) }),
  table: ({ name }) => {
    if (name !== 'first') {
      throw { Fault: { faultcode: 'soap:Client', faultstring: `no table is called <${name}>`, detail: { code: 7 } } };
    }
    return { table: { name, opened: '2026-11-22T01:02:03', seal: 'AAH/', seats: { seat: ['a', 'b & c'] }, closed: false } };
  },
};

const server = http.createServer((request, response) => {
  response.statusCode = 404;
  response.end();
});
soap.listen(server, { path: '/house', services: { House: { HousePort: port } }, xml: wsdl });
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
