// A SOAP server out of the `soap` package that answers only to a UsernameToken of WS-Security; prints the port on which it
// listens. Its words are the type of the password, `text` or `digest`, and `timestamp` if there must be one.

'use strict';

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const path = require('path');
const soap = require('soap');

const [wanted, withTimestamp] = process.argv.slice(2);
const USER = 'porter & sons';
const PASSWORD = 'k<y & "9" ü';
const PROFILE = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#';
const MINUTES = 60 * 1000;

const wsdl = fs.readFileSync(path.join(__dirname, 'remote_security.wsdl'), 'utf8');
const used = new Set();

/** The text of an element, with or without attributes. */
const text = (value) => (value && value.$value !== undefined ? value.$value : value);

/** Whether the time is that of a message which is neither old nor from the future. */
const isRecent = (created) => Math.abs(Date.now() - Date.parse(created)) < 5 * MINUTES;

function isFresh(timestamp) {
  if (!timestamp) return !withTimestamp;
  const [created, expires] = [timestamp.Created, timestamp.Expires].map((time) => Date.parse(text(time)));
  return created <= Date.now() + MINUTES && Date.now() < expires && expires - created === 7 * MINUTES;
}

/** UsernameToken Profile 1.1, section 3.1: the digest is of the nonce's bytes, the time and the password. */
function isDigest(password, { Nonce, Created }) {
  const [nonce, created] = [text(Nonce), text(Created)];
  if (!nonce || used.has(nonce) || !isRecent(created)) return false;
  const sum = crypto.createHash('sha1').update(Buffer.from(nonce, 'base64')).update(created).update(PASSWORD, 'utf8');
  if (sum.digest('base64') !== text(password)) return false;
  used.add(nonce);
  return true;
}

function authenticate(security) {
  const token = security && security.UsernameToken;
  if (!token || token.Username !== USER || !isFresh(security.Timestamp)) return false;
  const { Password: password } = token;
  if (wanted === 'digest') return password.attributes.Type === `${PROFILE}PasswordDigest` && isDigest(password, token);
  return password.attributes.Type === `${PROFILE}PasswordText` && text(password) === PASSWORD;
}

const port = { unlock: ({ box }) => ({ content: `all of ${box}` }) };
const server = http.createServer((request, response) => {
  response.statusCode = 404;
  response.end();
});
const listening = soap.listen(server, { path: '/vault', services: { Vault: { VaultPort: port } }, xml: wsdl });
listening.authenticate = authenticate;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
