
// A request as text: HTTP, and code in several languages that makes the same request.

const quote = {
  shell: text => `'${text.replaceAll("'", "'\\''")}'`,
  php: text => `'${text.replace(/[\\']/g, '\\$&')}'`,
  // A JSON text is also a literal of Python and of JavaScript.
  python: text => JSON.stringify(text),
  javascript: text => JSON.stringify(text),
  rust: text => {
    const escape = c => ({ '\\': '\\\\', '"': '\\"', '\n': '\\n' })[c] || `\\u{${c.codePointAt(0).toString(16)}}`;
    return `"${text.replace(/[\\"\p{Cc}\p{Cf}]/gu, escape)}"`;
  },
};

// Texts of several lines are written on several lines.
const block = {
  python: text => (text.includes('\n') ? `(\n${pieces(text).map(line => `    ${quote.python(line)}`).join('\n')}\n)` : quote.python(text)),
  javascript: text => (text.includes('\n') ? `\`${text.replace(/[\\`]|\$(?=\{)/g, '\\$&').replaceAll('\r', '\\r')}\`` : quote.javascript(text)),
  rust: text => {
    if (!text.includes('\n') || /[^\P{Cc}\n]|\p{Cf}/u.test(text)) return quote.rust(text);
    let fence = '#';
    while (text.includes(`"${fence}`)) fence += '#';
    return `r${fence}"${text}"${fence}`;
  },
};

const pieces = text => text.match(/[^\n]*\n|[^\n]+$/g) || [''];

const mapped = (headers, write) => Object.entries(headers).map(([name, value]) => write(name, value));

const code = {
  HTTP: ({ request, url }) => {
    const { host, pathname, search } = new URL(url);
    const head = [`${request.verb} ${pathname}${search} HTTP/1.1`, `Host: ${host}`];
    head.push(...mapped(request.headers, (name, value) => `${name}: ${value}`));
    return request.body === undefined ? head.join('\n') : `${head.join('\n')}\n\n${request.body}`;
  },

  curl: ({ request, url }) => {
    const options = mapped(request.headers, (name, value) => `-H ${quote.shell(`${name}: ${value}`)}`);
    if (request.body !== undefined) options.push(`--data-binary ${quote.shell(request.body)}`);
    return [`curl ${quote.shell(url)}`, ...options].join(' \\\n  ');
  },

  Python: call => pythonXmlRpc(call) || pythonSoap(call) || pythonHttp(call),

  JavaScript: ({ request, url }) => {
    const headers = mapped(request.headers, (name, value) => `${quote.javascript(name)}: ${quote.javascript(value)}`);
    const options = [`method: '${request.verb}'`, `headers: { ${headers.join(', ')} }`];
    if (request.body !== undefined) options.push(`body: ${block.javascript(request.body)}`);
    return `const response = await fetch(${quote.javascript(url)}, {
  ${options.join(',\n  ')},
});
console.log(await response.text());`;
  },

  PHP: call => phpSoap(call) || phpHttp(call),

  Rust: ({ request, url }) => {
    const headers = mapped(request.headers, (name, value) => `\n        .header(${quote.rust(name)}, ${quote.rust(value)})`);
    const [verb, end] = request.body === undefined ? ['get', '.call()'] : ['post', `.send(${block.rust(request.body)})`];
    return `// cargo add ureq@3
fn main() -> Result<(), ureq::Error> {
    let mut response = ureq::${verb}(${quote.rust(url)})${headers.join('')}
        ${end}?;
    println!("{}", response.body_mut().read_to_string()?);
    Ok(())
}`;
  },
};

function pythonHttp({ request, url }) {
  const headers = mapped(request.headers, (name, value) => `${quote.python(name)}: ${quote.python(value)}`);
  const body = request.body === undefined ? [] : [`body = ${block.python(request.body)}`];
  const data = body.length ? ' data=body.encode(),' : '';
  return ['import urllib.request', '', ...body, `request = urllib.request.Request(
    ${quote.python(url)},${data}
    headers={${headers.join(', ')}},
)
with urllib.request.urlopen(request) as response:
    print(response.read().decode())`].join('\n');
}

const KEYWORDS = new Set(`False None True and as assert async await break class continue def del elif else except finally
  for from global if import in is lambda nonlocal not or pass raise return try while with yield`.split(/\s+/));

const isPythonName = name => name.split('.').every(part => /^[A-Za-z_]\w*$/.test(part) && !KEYWORDS.has(part));

// A value as Python's own XML-RPC client takes it; undefined where it would not.
function python(value, of) {
  const form = meant(of);
  if (value === null) return undefined;
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string') {
    if (form === 'date') return `xmlrpc.client.DateTime(${quote.python(value)})`;
    return form === 'binary' ? `xmlrpc.client.Binary(base64.b64decode(${quote.python(value)}))` : quote.python(value);
  }
  if (Array.isArray(value)) {
    const items = value.map((item, at) => python(item, itemOf(form, at)));
    return items.includes(undefined) ? undefined : `[${items.join(', ')}]`;
  }
  if (isRecord(value)) {
    const items = Object.entries(value).map(([name, item]) => [quote.python(name), python(item, memberOf(form, name))]);
    return items.some(([, item]) => item === undefined) ? undefined : `{${items.map(item => item.join(': ')).join(', ')}}`;
  }
  if (isWhole(value) && form === 'double') return `float(${value})`;
  return isWhole(value) && (value < -(2 ** 31) || value >= 2 ** 31) ? undefined : String(value);
}

function pythonXmlRpc({ protocol, method, params }) {
  if (protocol !== 'xml-rpc') return undefined;
  const values = byPosition(params, method).map(param => python(param.value, param.form));
  if (values.includes(undefined)) return undefined;
  const bytes = values.some(value => value.includes('base64.')) ? 'import base64\n' : '';
  const name = isPythonName(method.name) ? `group.${method.name}` : `getattr(group, ${quote.python(method.name)})`;
  return `${bytes}import xmlrpc.client

group = xmlrpc.client.ServerProxy(${quote.python(page.url)})
print(${name}(${values.join(', ')}))`;
}

// Parameters that SOAP libraries encode without type hints: scalars and lists of scalars.
function simple({ protocol, method, params }) {
  const plain = (value, of) => {
    if (Array.isArray(value)) return of.list !== undefined && value.every(item => isScalar(item) && plain(item, of.list));
    return ['bool', 'int', 'double', 'text'].includes(meant(of)) && value !== null && isScalar(value);
  };
  const named = ({ name, element }) => name === element && /^[A-Za-z_]\w*$/.test(name);
  const all = params.filter(param => param.given);
  const fits = named(method) && all.every(param => named(param) && plain(param.value, param.form));
  return protocol === 'soap' && fits ? all : undefined;
}

const wsdl = () => `${page.url}?wsdl`;

function pythonSoap(call) {
  const params = simple(call);
  if (!params || ![call.method, ...params].every(({ name }) => isPythonName(name))) return undefined;
  const write = value => (Array.isArray(value) ? `[${value.map(write).join(', ')}]` : typeof value === 'boolean' ? (value ? 'True' : 'False') : jsonText(value));
  return `import zeep  # pip install zeep

client = zeep.Client(${quote.python(wsdl())})
print(client.service.${call.method.name}(${params.map(({ name, value }) => `${name}=${write(value)}`).join(', ')}))`;
}

function phpSoap(call) {
  const params = simple(call);
  if (!params) return undefined;
  const write = value => (Array.isArray(value) ? `[${value.map(write).join(', ')}]` : typeof value === 'string' ? quote.php(value) : jsonText(value));
  return `<?php
$client = new SoapClient(${quote.php(wsdl())});
print_r($client->${call.method.name}([${params.map(({ name, value }) => `${quote.php(name)} => ${write(value)}`).join(', ')}]));`;
}

function phpHttp({ request, url }) {
  const headers = mapped(request.headers, (name, value) => quote.php(`${name}: ${value}`));
  const options = [`'method' => '${request.verb}'`, `'header' => [${headers.join(', ')}]`];
  if (request.body !== undefined) options.push(`'content' => ${quote.php(request.body)}`);
  return `<?php
$context = stream_context_create(['http' => [
    ${options.join(',\n    ')},
]]);
echo file_get_contents(${quote.php(url)}, false, $context);`;
}
