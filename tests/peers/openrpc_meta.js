// Validates documents by OpenRPC's meta-schema. As a program, it reads the files that are named, and prints a line for each:
// `valid`, or what is not.
'use strict';

const { readFileSync } = require('node:fs');
const Ajv = require('ajv').default;
const addFormats = require('ajv-formats').default;
const { default: openrpc } = require('@open-rpc/meta-schema');
const { default: schemas } = require('@json-schema-tools/meta-schema');

function meta() {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats(ajv);
  // It refers to JSON Schema's by two spellings of one address.
  for (const address of ['https://meta.json-schema.tools', 'https://meta.json-schema.tools/']) {
    ajv.addSchema({ ...schemas, $schema: undefined, $id: undefined }, address);
  }
  return ajv.compile({ ...openrpc, $schema: undefined });
}

if (require.main === module) {
  const sound = meta();
  for (const file of process.argv.slice(2)) {
    const valid = sound(JSON.parse(readFileSync(file, 'utf8')));
    const [first] = sound.errors ?? [];
    console.log(valid ? 'valid' : `${first.instancePath} ${first.message}`);
  }
}

module.exports = { meta };
