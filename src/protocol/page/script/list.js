
// A list of methods: the section of each is loaded from its own page when it is opened. The fragment of the address says
// which one is open, so that links to a method and the buttons of the browser work as on a page that has all sections.

const list = document.querySelector('.list');
if (list) startList(list);

function startList(list) {
  const rows = [...list.children];
  const texts = new Map(rows.map(row => [row, row.textContent.toLowerCase()]));
  const [form, field] = ['.search', '.search input'].map(selector => document.querySelector(selector));
  const found = document.querySelector('.search .found');
  const linkOf = row => row.firstElementChild;
  const sectionOf = row => row.querySelector('.method');
  let open = null;

  // The row to which the fragment of the address leads.
  function wanted() {
    try {
      return rows.find(row => row.id && `#${row.id}` === decodeURIComponent(location.hash)) ?? null;
    } catch {
      return null;
    }
  }

  const isOpen = row => row === open;

  function close(row) {
    row.classList.remove('open');
    linkOf(row).setAttribute('aria-expanded', 'false');
  }

  async function openWanted() {
    const row = wanted();
    if (isOpen(row)) return;
    if (open) close(open);
    open = row;
    if (!row) return;
    row.hidden = false;
    row.querySelector('.notice')?.remove();
    if (!sectionOf(row)) {
      linkOf(row).setAttribute('aria-busy', 'true');
      try {
        await load(row);
      } catch (error) {
        if (isOpen(row)) fail(row, error);
        return;
      } finally {
        linkOf(row).removeAttribute('aria-busy');
      }
    }
    // Another row may have been opened meanwhile.
    if (!isOpen(row)) return;
    row.classList.add('open');
    linkOf(row).setAttribute('aria-expanded', 'true');
    row.scrollIntoView();
    row.querySelector('h3 a').focus({ preventScroll: true });
  }

  async function load(row) {
    const response = await fetch(linkOf(row).href, { headers: { Accept: 'text/html' } });
    if (!response.ok) throw new Error(`HTTP status ${response.status} ${response.statusText}`.trim());
    const tree = new DOMParser().parseFromString(await response.text(), 'text/html');
    const section = tree.querySelector('.method');
    if (!section) throw new Error('The response is not the page of a method.');
    // Two clicks may have loaded it twice.
    if (sectionOf(row)) return;
    const { methods, definitions } = readPage(tree);
    section.querySelector('form.call').dataset.method = page.methods.push(methods[0]) - 1;
    // Each page has a part of the types only: of two copies of a type, the one with fewer members without a type is kept.
    const untyped = form => form === undefined ? Infinity : JSON.stringify(form).split('"deep"').length;
    for (const [name, form] of Object.entries(definitions)) {
      if (untyped(form) < untyped(page.definitions[name])) page.definitions[name] = form;
    }
    // The row has this id.
    section.removeAttribute('id');
    section.querySelector('.about').prepend(closer(row));
    row.append(section);
    addFormHandlers(section);
    if (chosen('protocol')) section.querySelectorAll('form.call').forEach(showRequest);
  }

  function closer(row) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'close';
    button.textContent = 'Close';
    button.addEventListener('click', () => {
      history.pushState(null, '', location.pathname + location.search);
      openWanted();
      linkOf(row).focus();
    });
    return button;
  }

  function fail(row, error) {
    const notice = document.createElement('p');
    notice.className = 'notice';
    notice.setAttribute('role', 'alert');
    notice.textContent = `The method could not be loaded: ${error.message}`;
    row.append(notice);
    open = null;
  }

  function search() {
    const words = field.value.toLowerCase().split(/\s+/);
    const matching = rows.filter(row => words.every(word => texts.get(row).includes(word)));
    for (const row of rows) row.hidden = true;
    for (const row of matching) row.hidden = false;
    found.textContent = field.value.trim() ? `${matching.length} of ${rows.length}` : '';
    return matching;
  }

  const go = row => {
    if (`#${encodeURIComponent(row.id)}` === location.hash || wanted() === row) openWanted();
    else location.hash = row.id;
  };

  list.addEventListener('click', event => {
    const row = event.target.closest('.list > li');
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!plain || event.target.closest('a') !== linkOf(row)) return;
    event.preventDefault();
    go(row);
  });
  field.addEventListener('input', search);
  form.addEventListener('submit', event => {
    event.preventDefault();
    const [first] = search();
    if (first) go(first);
  });
  addEventListener('hashchange', openWanted);
  addEventListener('popstate', openWanted);
  for (const row of rows) linkOf(row).setAttribute('aria-expanded', 'false');
  // A browser may restore the text of the field.
  search();
  openWanted();
}
