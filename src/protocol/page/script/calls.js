
// Calls over each protocol: the request, and the result in the response.

const page = readPage(document);

// The data of a page: its methods, with what is left out where it is usual, and the types of their parameters.
function readPage(tree) {
  const data = JSON.parse(tree.querySelector('main').dataset.interface || '{"methods":[],"definitions":{}}');
  const field = ({ name, element = name, required = false, default: value = [], ...more }) => ({ name, element, required, default: value, ...more });
  return { ...data, methods: data.methods.map(method => ({ ...field(method), params: method.params.map(field) })) };
}

// The largest part of a response that is read, in bytes, and that is shown, in characters.
const READ = 4 << 20;
const SHOWN = 100000;

// Methods whose parameters have no names are called by position.
const positional = method => method.params.length > 0 && method.params.every(({ name }, at) => name === `arg${at + 1}`);

// The parameters by position, up to the last that is given. Missing ones before it get their default or null.
// Of a method whose parameters are not known, the only parameter is the list of all arguments.
function byPosition(params, method) {
  if (method.free) {
    const [{ given, name, value, form }] = params;
    if (given && !Array.isArray(value)) throw new Error(`${name} must be a list`);
    return given ? value.map((item, at) => ({ name, value: item, form: itemOf(meant(form), at) })) : [];
  }
  const last = params.findLastIndex(param => param.given);
  return params.slice(0, last + 1).map(param => {
    if (param.given) return param;
    if (!param.default.length && param.form.optional !== undefined) return { ...param, value: null };
    if (!param.default.length) throw new Error(`${param.name} must be given, because a later parameter is given`);
    return { ...param, value: param.default[0] };
  });
}

const byName = params => Object.fromEntries(params.filter(param => param.given).map(({ name, value }) => [name, value]));

const given = (method, params) => (positional(method) ? byPosition(params, method).map(param => param.value) : byName(params));

// The query if each value is a scalar or a list of scalars of one type; otherwise null.
function query(params) {
  const pairs = [];
  for (const { name, value, form } of params.filter(param => param.given)) {
    // The items of such a list have no types as texts.
    if (Array.isArray(value) && itemOf(meant(form), 0) === 'any') return null;
    const values = Array.isArray(value) ? value : [value];
    if (!values.length || values.some(item => item === null || !isScalar(item))) return null;
    for (const item of values) pairs.push(`${encodeURIComponent(name)}=${encodeURIComponent(String(item))}`);
  }
  return pairs.length ? `?${pairs.join('&')}` : '';
}

const post = (type, body, tail = '', headers = {}) => ({
  verb: 'POST',
  tail,
  headers: { 'Content-Type': type, ...headers },
  body,
});

const requests = {
  'xml-rpc': (method, params) => post('text/xml', xmlRpcCall(method, byPosition(params, method))),
  'json-rpc': (method, params) =>
    post('application/json', jsonText({ jsonrpc: '2.0', id: 1, method: method.name, params: given(method, params) })),
  rest: (method, params) => {
    const tail = `/${(method.path || method.name).split('/').map(encodeURIComponent).join('/')}`;
    const search = method.safe && !positional(method) ? query(params) : null;
    if (search === null) return post('application/json', jsonText(given(method, params)), tail);
    return { verb: 'GET', tail: tail + search, headers: { Accept: 'application/json' } };
  },
  soap: (method, params) =>
    post('text/xml; charset=utf-8', soapCall(method, params.filter(param => param.given)), '', { SOAPAction: '""' }),
};

// The error for a fault in a response.
function asFault(message) {
  const fault = new Error(message);
  fault.name = 'Fault';
  return fault;
}

// Why a call failed: the message of its fault, or an empty text if its response has another error; null if it succeeded.
function failureOf(protocol, { ok, text, cut }) {
  if (cut) return ok ? null : '';
  try {
    readResult[protocol](text, ok);
  } catch (error) {
    if (error.name === 'Fault') return error.message;
  }
  return ok ? null : '';
}

// The result in a response. A fault becomes an error with the name `Fault`.
const readResult = {
  'xml-rpc': text => {
    const tree = new DOMParser().parseFromString(text, 'text/xml');
    const fault = tree.querySelector('methodResponse > fault > value');
    if (fault) throw asFault(xmlRpcValue(fault).faultString);
    return xmlRpcValue(tree.querySelector('methodResponse > params > param > value'));
  },
  'json-rpc': text => {
    const response = parseJson(text);
    if (response.error) throw asFault(response.error.message);
    return response.result;
  },
  rest: (text, ok) => {
    const result = parseJson(text);
    if (!ok) throw asFault(result.detail || result.title);
    return result;
  },
  soap: text => {
    const tree = new DOMParser().parseFromString(text, 'text/xml');
    const reason = tree.querySelector('Fault > faultstring');
    if (reason) throw asFault(reason.textContent);
    return nested(tree.getElementsByTagNameNS(SOAP, 'Body')[0].firstElementChild);
  },
};

const at = (base, tail) => base.replace(/\/$/, '') + tail || '/';

async function send(request) {
  const begun = performance.now();
  const response = await fetch(at(page.path, request.tail), {
    method: request.verb,
    headers: request.headers,
    body: request.body,
    cache: 'no-store',
  });
  const [text, cut] = await readSome(response);
  const type = response.headers.get('Content-Type') || '';
  const status = `${response.status} ${response.statusText}`.trim();
  return { ok: response.ok, status, type, text, cut, millis: Math.round(performance.now() - begun) };
}

// The text of a response, and whether it is longer than the part that is read.
async function readSome(response) {
  if (!response.body) return ['', false];
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let [text, size] = ['', 0];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return [text + decoder.decode(), false];
    text += decoder.decode(value, { stream: true });
    size += value.length;
    if (size > READ) {
      reader.cancel();
      return [text, true];
    }
  }
}

// A response laid out for reading. Only the white space between values differs.
function legible({ text, type, cut }) {
  let shown = text;
  try {
    if (!cut && /json/.test(type)) shown = jsonText(parseJson(text));
    if (!cut && /xml/.test(type)) {
      const tree = new DOMParser().parseFromString(text, 'text/xml');
      if (!tree.querySelector('parsererror')) shown = textOf(tree.documentElement);
    }
  } catch {
    shown = text;
  }
  return shown.length > SHOWN || cut ? `${shown.slice(0, SHOWN)}\n… and more` : shown;
}
