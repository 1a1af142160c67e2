
// XML documents for calls. They are built as trees, so a value can never become mark-up.

const SOAP = 'http://schemas.xmlsoap.org/soap/envelope/';
const XSI = 'http://www.w3.org/2001/XMLSchema-instance';

// A form with its reference followed and without `optional`.
function meant(form) {
  if (form?.optional !== undefined) return meant(form.optional);
  return (form?.named !== undefined ? page.definitions[form.named] : form) ?? 'any';
}

const itemOf = (form, at) => form.list ?? form.tuple?.[at]?.form ?? 'any';
const memberOf = (form, name) => form.record?.find(field => field.name === name)?.form ?? form.further ?? 'any';
const isWhole = value => typeof value === 'bigint' || Number.isInteger(value);
const isRecord = value => !isScalar(value) && !Array.isArray(value);

function textOf(root) {
  indent(root, '\n');
  return `<?xml version="1.0"?>\n${new XMLSerializer().serializeToString(root)}`;
}

// Adds white space between elements, but not next to text.
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
  const type = (value, form) => {
    if (value === null) return 'nil';
    if (typeof value === 'boolean') return 'boolean';
    if (typeof value === 'string') return { date: 'dateTime.iso8601', binary: 'base64' }[form] || 'string';
    if (!isWhole(value) || form === 'double') return 'double';
    return value >= -(2 ** 31) && value < 2 ** 31 ? 'int' : 'i8';
  };
  const scalar = value => (typeof value === 'boolean' ? String(Number(value)) : value === null ? '' : String(value));
  const write = (value, of) => {
    const form = meant(of);
    if (Array.isArray(value)) {
      const items = value.map((item, at) => write(item, itemOf(form, at)));
      return make('value', make('array', make('data', ...items)));
    }
    if (isScalar(value)) return make('value', make(type(value, form), scalar(value)));
    const member = ([name, item]) => make('member', make('name', name), write(item, memberOf(form, name)));
    return make('value', make('struct', ...Object.entries(value).map(member)));
  };
  const list = params.map(param => make('param', write(param.value, param.form)));
  return textOf(make('methodCall', make('methodName', method.name), make('params', ...list)));
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
  const make = (name, ...inside) => {
    const element = tree.createElementNS(page.namespace, name);
    element.append(...inside);
    return element;
  };
  // A value of an unknown type: the element names its type.
  const any = value => {
    if (value === null) return make('nil');
    if (Array.isArray(value)) return make('array', ...value.map(item => make('item', any(item))));
    if (isRecord(value)) {
      return make('struct', ...Object.entries(value).map(([name, item]) => make('member', make('name', name), make('value', any(item)))));
    }
    if (!isWhole(value)) return make({ number: 'double' }[typeof value] || typeof value, String(value));
    return make(BigInt.asIntN(64, BigInt(value)) === BigInt(value) ? 'int' : 'integer', String(value));
  };
  const fill = (element, value, of) => {
    const form = meant(of);
    if (form === 'any') element.append(any(value));
    else if (value === null) element.setAttributeNS(XSI, 'xsi:nil', 'true');
    else if (form.list !== undefined && Array.isArray(value)) element.append(...value.map(item => fill(make('item'), item, form.list)));
    else if (form.tuple && Array.isArray(value)) element.append(...form.tuple.flatMap((field, at) => member(field, value[at])));
    else if (form.record && isRecord(value)) element.append(...members(form, value));
    // Types beyond those that the page has: the value shows its own form.
    else if (form === 'deep' && Array.isArray(value)) element.append(...value.map(item => fill(make('item'), item, 'deep')));
    else if (form === 'deep' && isRecord(value)) element.append(...Object.entries(value).flatMap(([name, item]) => member({ name, form: 'deep' }, item)));
    else element.append(isScalar(value) ? String(value) : jsonText(value));
    return element;
  };
  const members = (form, value) => {
    const known = form.record.flatMap(field => member(field, value[field.name]));
    const others = Object.entries(value).filter(([name]) => !form.record.some(field => field.name === name));
    return known.concat(others.map(([name, item]) => make('entry', make('key', name), fill(make('value'), item, form.further))));
  };
  // A list has one element per item; null and missing values have none.
  const member = ({ name, element = name, form }, value) => {
    if (value === undefined || (value === null && form.optional !== undefined)) return [];
    if (Array.isArray(value) && (form.list !== undefined || form === 'deep')) return value.map(item => fill(make(element), item, form.list ?? 'deep'));
    return [fill(make(element), value, form)];
  };
  const envelope = tree.createElementNS(SOAP, 'soap:Envelope');
  const body = tree.createElementNS(SOAP, 'soap:Body');
  body.append(make(method.element, ...params.flatMap(param => member(param, param.value))));
  envelope.append(body);
  return textOf(envelope);
}

// The text of an element, or a list if it has child elements.
const nested = element => (element.children.length ? [...element.children].map(nested) : element.textContent);
