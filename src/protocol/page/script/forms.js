
// The forms: their values, the request, and the response.

const chosen = name => document.querySelector(`.tools input[name="${name}"]:checked`)?.value;

// The largest part of the message of a fault that is shown in its heading, in characters.
const LONGEST_REASON = 200;

// The value in a field: `{ value }`, or `{}` if the field is empty.
function valueOf(field) {
  const { kind } = field.dataset;
  if (kind === 'text') return field.value || 'required' in field.dataset ? { value: field.value } : {};
  const text = field.value.trim();
  if (!text) return {};
  return { value: kind === 'integer' ? parseJson(text.replace(/^\+/, '')) : kind === 'number' ? Number(text) : parseJson(text) };
}

// The call of a form in the chosen protocol. A malformed field shows its error.
function callOf(form) {
  const method = page.methods[form.dataset.method];
  const fields = [...form.querySelectorAll('[data-param]')];
  const params = method.params.map((param, at) => {
    const field = fields.find(one => Number(one.dataset.param) === at);
    field.setCustomValidity('');
    try {
      const read = valueOf(field);
      return { ...param, ...read, given: 'value' in read };
    } catch (error) {
      field.setCustomValidity(`This is not JSON: ${error.message}`);
      throw error;
    }
  });
  const missing = params.find(param => param.required && !param.given);
  if (missing) throw new Error(`${missing.name} must be given.`);
  return callWith(method, params);
}

function callWith(method, params) {
  const protocol = chosen('protocol');
  const request = requests[protocol](method, params);
  return { protocol, method, params, request, url: at(page.url, request.tail) };
}

const panelOf = form => form.closest('.method').querySelector('.panel');

function showRequest(form) {
  const panel = panelOf(form);
  const language = chosen('code');
  panel.querySelector('.what').textContent = language === 'HTTP' ? 'Request' : language;
  const shown = panel.querySelector('.code');
  try {
    shown.textContent = code[language](callOf(form));
  } catch (error) {
    shown.textContent = error.message;
  }
}

async function showResponse(form) {
  const [status, shown] = [...panelOf(form).querySelectorAll('.response .what, .response .code')];
  const button = form.querySelector('.go');
  let call;
  try {
    call = callOf(form);
  } catch (error) {
    if (form.reportValidity()) fail(error);
    return;
  }
  function show(heading, text, failed) {
    const sheet = panelOf(form).querySelector('.response');
    sheet.classList.toggle('failed', failed);
    // An alert is read out at once; what a call returns is read out when its reader is ready.
    status.setAttribute('role', failed ? 'alert' : 'status');
    sheet.hidden = false;
    status.textContent = heading;
    shown.textContent = text;
  }
  function fail(error) {
    show('No response', error.message, true);
  }
  button.setAttribute('aria-busy', 'true');
  try {
    const response = await send(call.request);
    const failure = failureOf(call.protocol, response);
    const reason = failure?.length > LONGEST_REASON ? `${failure.slice(0, LONGEST_REASON)}…` : failure;
    const heading = failure === null ? '' : failure ? `Fault: ${reason} · HTTP status ` : 'Error: HTTP status ';
    show(`${heading}${response.status}, ${response.millis} ms`, legible(response), failure !== null);
  } catch (error) {
    fail(error);
  } finally {
    button.removeAttribute('aria-busy');
  }
}

async function copy(button) {
  const shown = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(shown.textContent);
  } catch {
    // Without a secure connection there is no clipboard API: select the text and use the old command.
    getSelection().selectAllChildren(shown);
    document.execCommand('copy');
  }
  button.classList.add('copied');
  setTimeout(() => button.classList.remove('copied'), 1500);
}

const showAll = () => chosen('protocol') && document.querySelectorAll('form.call').forEach(showRequest);

// Makes the forms and buttons of a part of the page work.
function addFormHandlers(part) {
  for (const form of part.querySelectorAll('form.call')) {
    form.addEventListener('input', () => showRequest(form));
    form.addEventListener('submit', event => {
      event.preventDefault();
      showResponse(form);
    });
  }
  for (const button of part.querySelectorAll('[data-copy]')) button.addEventListener('click', () => copy(button));
}

document.documentElement.classList.add('scripted');
addFormHandlers(document);
document.querySelector('.tools')?.addEventListener('change', showAll);
document.querySelector('.tools')?.addEventListener('submit', event => event.preventDefault());
showAll();
