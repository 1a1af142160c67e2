
// XML as the protocols want it. All of it is built as a tree, so that a value can only ever be text.

const SOAP = 'http://schemas.xmlsoap.org/soap/envelope/';
const XSI = 'http://www.w3.org/2001/XMLSchema-instance';

// A schema with its reference followed, and null beside one other type left aside.
function meant(schema, depth = 8) {
  if (schema === null || typeof schema !== 'object') return {};
  const target = schema.$ref && page.defs[schema.$ref.replace('#/$defs/', '')];
  if (target && depth) return meant(target, depth - 1);
  const alternatives = schema.anyOf || schema.oneOf;
  const others = alternatives && alternatives.filter(one => one.type !== 'null');
  return others && others.length === 1 && depth ? meant(others[0], depth - 1) : schema;
}

const isOf = (schema, type) => [].concat(schema.type).includes(type);
const itemOf = (schema, at) => (schema.prefixItems && schema.prefixItems[at]) || schema.items;
const memberOf = (schema, name) => (schema.properties && schema.properties[name]) || schema.additionalProperties;

function textOf(root) {
  indent(root, '\n');
  return `<?xml version="1.0"?>\n${new XMLSerializer().serializeToString(root)}`;
}

// White space between elements; none where there is text.
function indent(element, line) {
  const children = [...element.children];
  if (!children.length || [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) return;
  [...element.childNodes].filter(node => node.nodeType === 3).forEach(node => node.remove());
  for (const child of children) {
    child.before(`${line}  `);
    indent(child, `${line}  `);
  }
  element.append(line);
}

const blank = () => document.implementation.createDocument(null, null);

function xmlRpcCall(method, params) {
  const tree = blank();
  const make = (name, ...inside) => {
    const element = tree.createElementNS(null, name);
    element.append(...inside);
    return element;
  };
  const type = (value, schema) => {
    if (value === null) return 'nil';
    if (typeof value === 'boolean') return 'boolean';
    if (typeof value === 'string') {
      if (schema.format === 'date-time') return 'dateTime.iso8601';
      return schema.contentEncoding === 'base64' ? 'base64' : 'string';
    }
    const whole = typeof value === 'bigint' || (Number.isInteger(value) && !isOf(schema, 'number'));
    if (!whole) return 'double';
    return value >= -(2 ** 31) && value < 2 ** 31 ? 'int' : 'i8';
  };
  const scalar = value => (typeof value === 'boolean' ? String(Number(value)) : value === null ? '' : String(value));
  const write = (value, of) => {
    const schema = meant(of);
    if (Array.isArray(value)) {
      const items = value.map((item, at) => write(item, itemOf(schema, at)));
      return make('value', make('array', make('data', ...items)));
    }
    if (isScalar(value)) return make('value', make(type(value, schema), scalar(value)));
    const member = ([name, item]) => make('member', make('name', name), write(item, memberOf(schema, name)));
    return make('value', make('struct', ...Object.entries(value).map(member)));
  };
  const list = params.map(param => make('param', write(param.value, param.schema)));
  return textOf(make('methodCall', make('methodName', method), make('params', ...list)));
}

function xmlRpcValue(value) {
  const inner = value.firstElementChild;
  if (!inner) return value.textContent;
  const children = (element, name) => [...element.children].filter(child => child.localName === name);
  switch (inner.localName) {
    case 'array':
      return children(inner.firstElementChild, 'value').map(xmlRpcValue);
    case 'struct': {
      const member = one => [children(one, 'name')[0].textContent, xmlRpcValue(children(one, 'value')[0])];
      return Object.fromEntries(children(inner, 'member').map(member));
    }
    default:
      return inner.textContent;
  }
}

function soapCall(method, params) {
  const tree = blank();
  const envelope = tree.createElementNS(SOAP, 'soap:Envelope');
  const body = tree.createElementNS(SOAP, 'soap:Body');
  const write = (name, value, of) => {
    const schema = meant(of);
    if (Array.isArray(value)) return value.map((item, at) => one(name, item, itemOf(schema, at)));
    return [one(name, value, of)];
  };
  const one = (name, value, of) => {
    const schema = meant(of);
    const element = tree.createElementNS(page.namespace, name);
    if (value === null) element.setAttributeNS(XSI, 'xsi:nil', 'true');
    else if (Array.isArray(value)) element.append(...value.flatMap((item, at) => write('item', item, itemOf(schema, at))));
    else if (isScalar(value)) element.append(String(value));
    else for (const [key, item] of Object.entries(value)) element.append(...write(key, item, memberOf(schema, key)));
    return element;
  };
  const wrapper = tree.createElementNS(page.namespace, method);
  wrapper.append(...params.flatMap(param => write(param.name, param.value, param.schema)));
  body.append(wrapper);
  envelope.append(body);
  return textOf(envelope);
}

// The texts of an element, in lists where it has elements of its own.
const nested = element => (element.children.length ? [...element.children].map(nested) : element.textContent);
