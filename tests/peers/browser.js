// Reads the pages in a browser, calls from them, and takes pictures of them.
'use strict';

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const puppeteer = require('puppeteer-core');

const [base, shots, wanted] = process.argv.slice(2);
const hostile = process.env.HOSTILE;
// The protocols that the pages offer.
let PROTOCOLS;

const complaints = [];

async function open(browser, path, options = {}) {
  const page = await browser.newPage();
  const { width = 1280, height = 900, dark = false, mobile = false, still = true } = options;
  page.on('console', message => {
    // A fault that was asked for has a status that browsers tell of.
    const told = /the server responded with a status of/.test(message.text()) && !/page\.(css|js)/.test(message.location().url);
    if (['error', 'warning', 'warn'].includes(message.type()) && !told) complaints.push(`${path}: ${message.text()}`);
  });
  page.on('pageerror', error => complaints.push(`${path}: ${error}`));
  page.on('dialog', dialog => {
    complaints.push(`${path}: a dialog says ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('request', request => {
    if (!request.url().startsWith(base) && !request.url().startsWith('data:')) complaints.push(`${path} asks for ${request.url()}`);
  });
  await page.evaluateOnNewDocument(() => {
    addEventListener('securitypolicyviolation', event => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.setViewport({ width, height, isMobile: mobile, hasTouch: mobile, deviceScaleFactor: mobile ? 2 : 1 });
  await page.emulateMediaFeatures([
    { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' },
    { name: 'prefers-reduced-motion', value: still ? 'reduce' : 'no-preference' },
  ]);
  if (options.script === false) await page.setJavaScriptEnabled(false);
  const response = await page.goto(base + path, { waitUntil: 'load' });
  assert.ok([200, 304].includes(response.status()), path);
  return page;
}

const form = name => `#method-${name} form.call`;
const text = (page, selector) => page.$eval(selector, element => element.textContent);
const choose = (page, name, value) => page.$eval(`.tools input[name="${name}"][value="${value}"]`, input => input.click());

async function call(page, method) {
  const panel = `#method-${method} .response`;
  await page.$eval(panel, response => {
    response.hidden = true;
  });
  await page.$eval(`${form(method)} .go`, button => button.click());
  await page.waitForSelector(`${panel}:not([hidden])`, { timeout: 10000 });
  return { status: await text(page, `${panel} .what`), body: await text(page, `${panel} .code`) };
}

// Whether the response of a method is marked as a failure, and how it is announced.
const looksOf = (page, method) =>
  page.$eval(`#method-${method} .response`, response => ({
    failed: response.classList.contains('failed'),
    role: response.querySelector('.what').getAttribute('role'),
  }));

async function spinsThroughTheForm(browser) {
  const page = await open(browser, '/wheel/american');
  for (const protocol of PROTOCOLS) {
    await choose(page, 'protocol', protocol);
    const one = await call(page, 'spin');
    assert.match(one.status, /^200 OK/, `${protocol}: ${one.body}`);
    assert.match(one.body, /RED|BLACK|GREEN/, protocol);
    await page.$eval(`${form('spinList')} [data-param]`, field => {
      field.value = '3';
      field.dispatchEvent(new Event('input', { bubbles: true }));
    });
    const three = await call(page, 'spinList');
    assert.equal(three.body.match(/RED|BLACK|GREEN/g).length, 3, `${protocol}: ${three.body}`);
    await page.$eval(`${form('spinCounts')} [data-param]`, field => {
      // Beyond the bound, which the form would not let through.
      field.value = '100000000000';
      field.form.noValidate = true;
    });
    const refused = await call(page, 'spinCounts');
    assert.match(refused.body, /`spins` is at most/, protocol);
    // A fault looks like one, whatever the status of its response.
    const status = { rest: 400, soap: 500 }[protocol] ?? 200;
    assert.match(refused.status, new RegExp(`^Fault: .*\\bspins\\b.* HTTP status ${status}`), protocol);
    assert.deepEqual(await looksOf(page, 'spinCounts'), { failed: true, role: 'alert' }, protocol);
    assert.deepEqual(await looksOf(page, 'spin'), { failed: false, role: 'status' }, protocol);
    await runsTheCode(page, protocol);
  }
  await page.close();
}

// The code that a page gives does what it says.
async function runsTheCode(page, protocol) {
  const runs = { curl: ['sh', '-c'], Python: ['python3', '-c'], JavaScript: ['node', '--input-type=module', '-e'] };
  for (const [language, [program, ...options]] of Object.entries(runs)) {
    await choose(page, 'code', language);
    const code = await text(page, '#method-spinList .panel .code');
    if (code.includes('import zeep')) continue;
    const printed = execFileSync(program, [...options, code], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 20000 });
    assert.equal(printed.match(/RED|BLACK|GREEN/g)?.length, 3, `${protocol} in ${language}:\n${code}\n${printed}`);
  }
  await choose(page, 'code', 'HTTP');
}

// Forms of every type, as they stand, are understood alike over every protocol.
async function sendsEveryType(browser) {
  const page = await open(browser, '/types');
  const methods = await page.$$eval('.method', all => all.map(method => method.id.replace('method-', '')));
  await page.$$eval('form.call select', all => {
    for (const field of all) if (!field.value) field.selectedIndex = 1;
  });
  let answered = 0;
  for (const method of methods) {
    const outcomes = [];
    for (const protocol of PROTOCOLS) {
      await choose(page, 'protocol', protocol);
      const { status, body } = await call(page, method);
      outcomes.push(status.startsWith('200') && !/<fault>|"error"/.test(body));
      if (outcomes[0] !== outcomes.at(-1)) assert.fail(`${method} over ${protocol}: ${status}\n${body}\n${await text(page, `#method-${method} .panel .code`)}`);
    }
    answered += Number(outcomes[0]);
  }
  assert.ok(answered >= methods.length - 4, `${answered} of ${methods.length}`);
  await page.close();
}

async function drawsAndTurnsTheWheel(browser) {
  for (const [path, pockets, second] of [['/wheel/american', 38, '28'], ['/wheel/european', 37, '32']]) {
    const page = await open(browser, path);
    const labels = await page.$$eval('.ring .sector text', all => all.map(one => one.textContent));
    assert.equal(labels.length, pockets);
    assert.deepEqual([labels[0], labels[1]], ['0', second]);
    for (const protocol of PROTOCOLS) {
      await choose(page, 'protocol', protocol);
      for (const times of [1, 10]) {
        await page.$eval(`[data-times="${times}"]`, button => button.click());
        await page.waitForFunction(
          times => document.querySelector('.landed').textContent.match(times === 1 ? /landed in/ : /10 spins|No spin/),
          { timeout: 10000 },
          times,
        );
        assert.doesNotMatch(await text(page, '.landed'), /No spin/, protocol);
      }
    }
    const outcomes = await page.$$eval('.outcomes li', all => all.map(one => one.textContent));
    assert.equal(outcomes.length, Math.min(30, 11 * PROTOCOLS.length));
    assert.ok(outcomes.every(label => labels.includes(label)), outcomes.join());
    assert.match(await text(page, '.sum'), new RegExp(`^${11 * PROTOCOLS.length} spins`));
    // What came up last is at the top, under the pointer.
    const top = await page.evaluate(() => {
      const { x, width, y } = document.querySelector('.ring .rim').getBoundingClientRect();
      const numbers = [...document.querySelectorAll('.ring .sector text')];
      const distance = text => {
        const box = text.getBoundingClientRect();
        return Math.hypot(box.x + box.width / 2 - x - width / 2, box.y + box.height / 2 - y);
      };
      return numbers.sort((a, b) => distance(a) - distance(b))[0].textContent;
    });
    assert.equal(top, outcomes[0]);
    await page.close();
  }
  // With motion, the outcome is told when the turning has come to its end.
  const page = await open(browser, '/wheel/european', { still: false });
  await page.$eval('[data-times="1"]', button => button.click());
  await page.waitForFunction(() => document.getAnimations().some(animation => animation.effect.target.matches('.turning')));
  assert.equal((await text(page, '.landed')).trim(), '');
  await page.waitForFunction(() => document.querySelector('.landed').textContent.includes('landed in'), { timeout: 10000 });
  await page.close();
}

async function worksByKeyboardOnly(browser) {
  const page = await open(browser, '/wheel/american');
  const focused = () => page.evaluate(() => document.activeElement.textContent.trim() + (document.activeElement.name || ''));
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'Skip to the content');
  const until = async wanted => {
    for (let presses = 0; presses < 80; presses += 1) {
      if ((await focused()).startsWith(wanted)) return;
      await page.keyboard.press('Tab');
    }
    assert.fail(`the keyboard does not reach ${wanted}`);
  };
  await until('protocol');
  await page.keyboard.press('ArrowRight');
  assert.equal(await page.$eval('.tools input[name="protocol"]:checked', input => input.value), PROTOCOLS[1]);
  await page.keyboard.press('ArrowLeft');
  await until('Call spin');
  const visible = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(visible, 'none');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#method-spin .response:not([hidden])');
  assert.match(await text(page, '#method-spin .response .code'), /RED|BLACK|GREEN/);
  await page.close();
}

async function showsHostileTextAsText(browser) {
  for (const path of ['/hostile', '/']) {
    const page = await open(browser, path);
    assert.ok((await text(page, 'body')).includes(hostile), path);
    const strange = await page.$$eval('img, [onerror], [onload], [onfocus], body script, iframe, svg[onload]', all => all.length);
    assert.equal(strange, 0, path);
    if (path === '/hostile') {
      assert.equal(await page.title(), hostile.replace(/\s+/g, ' '));
      for (const protocol of PROTOCOLS) {
        await choose(page, 'protocol', protocol);
        for (const code of ['HTTP', 'curl', 'Python', 'JavaScript', 'PHP', 'Rust']) await choose(page, 'code', code);
        await choose(page, 'code', 'HTTP');
        for (const field of ['#m1p1', '#m2p1']) {
          const method = await page.$(`.method:has(${field})`);
          await method.$eval('form', form => form.requestSubmit());
          await method.waitForSelector('.response:not([hidden])');
          const shown = await method.$eval('.response .code', code => code.textContent);
          assert.match(shown, /onerror=alert\(1\)/, `${protocol} ${field}: ${shown}`);
          await method.$eval('.response', response => {
            response.hidden = true;
          });
        }
      }
    }
    const after = await page.$$eval('img, [onerror], [onload], [onfocus], body script, iframe', all => all.length);
    assert.equal(after, 0, path);
    await page.close();
  }
}

async function documentsWithoutScripts(browser) {
  const page = await open(browser, '/wheel/american', { script: false });
  const shown = await page.evaluate(() => document.body.innerText);
  assert.ok(shown.includes('spinList(spins: int = 1) -> array') && !shown.includes('Shown as'));
  await page.close();
}

// Every field has its label, every id is there once, and headings leave no level out.
async function isAccessible(browser, paths = ['/', '/wheel/american', '/types', '/hostile'], options = {}) {
  for (const path of paths) {
    const page = await open(browser, path, options);
    const wrong = await page.evaluate(() => {
      const wrong = [];
      const ids = [...document.querySelectorAll('[id]')].map(element => element.id);
      ids.filter((id, at) => ids.indexOf(id) !== at).forEach(id => wrong.push(`two of ${id}`));
      for (const field of document.querySelectorAll('input, select, textarea')) {
        if (!field.labels.length) wrong.push(`no label for ${field.outerHTML}`);
      }
      let before = 0;
      for (const heading of document.querySelectorAll('h1, h2, h3, h4')) {
        const level = Number(heading.localName[1]);
        if (level > before + 1) wrong.push(`${heading.localName} behind h${before}`);
        before = level;
      }
      if (document.documentElement.scrollWidth > innerWidth) wrong.push('wider than the window');
      return wrong.concat(tooPale());

      // Text whose contrast with what is behind it is less than WCAG's 4.5 (level AA).
      function tooPale() {
        const found = [];
        for (const element of document.querySelectorAll('body *')) {
          const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
          if (!own || !element.checkVisibility() || element.closest('svg, .unseen, .skip')) continue;
          const colour = numbers(getComputedStyle(element).color);
          const contrast = ratio(luminance(colour), luminance(behind(element)));
          if (contrast < 4.5) found.push(`${contrast.toFixed(2)} for ${element.outerHTML.slice(0, 80)}`);
        }
        return found;
      }
      function numbers(colour) {
        return colour.match(/[\d.]+/g).map(Number);
      }
      function behind(element) {
        for (let at = element; at; at = at.parentElement) {
          const colour = numbers(getComputedStyle(at).backgroundColor);
          if (colour.length < 4 || colour[3] > 0.5) return colour;
        }
        return [255, 255, 255];
      }
      function luminance(colour) {
        const [r, g, b] = colour.map(part => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      }
      function ratio(one, other) {
        return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      }
    });
    assert.deepEqual(wrong, [], path);
    await page.close();
  }
}

async function takesPictures(browser) {
  const sizes = { phone: { width: 390, height: 844, mobile: true }, desk: { width: 1280, height: 900 } };
  for (const [size, options] of Object.entries(sizes)) {
    for (const dark of [false, true]) {
      for (const [name, path] of [['directory', '/'], ['wheel', '/wheel/american'], ['types', '/types'], ['hostile', '/hostile']]) {
        const page = await open(browser, path, { ...options, dark });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        assert.ok(!wide, `${path} is wider than a ${size}`);
        if (name === 'wheel') {
          await page.$eval('[data-times="1000"]', button => button.click());
          await page.waitForFunction(() => document.querySelector('.landed').textContent.includes('spins'));
          await page.$eval(`${form('spin')} .go`, button => button.click());
          await page.waitForSelector('#method-spin .response:not([hidden])');
        }
        const file = part => `${shots}/${name}-${size}-${dark ? 'dark' : 'light'}${part}.png`;
        await page.screenshot({ path: file('') });
        if (name === 'wheel' || size === 'desk') await page.screenshot({ path: file('-whole'), fullPage: true });
        await page.close();
      }
    }
  }
}

// A page of an operator's own: the wheels that were spun, and beside them the one that is dead.
// The table with three wheels, one of which is dead for this reason.
async function showsTwoOfThree(browser, why, name) {
  const sizes = { phone: { width: 390, height: 844, mobile: true }, desk: { width: 1280, height: 900 } };
  for (const [size, options] of Object.entries(sizes)) {
    for (const dark of [false, true]) {
      await isAccessible(browser, ['/show'], { ...options, dark });
      const page = await open(browser, '/show', { ...options, dark });
      const spun = await page.$$eval('.wheel:not(.failed) .pocket', all => all.map(pocket => pocket.textContent));
      assert.equal(spun.length, 2);
      spun.forEach(number => assert.match(number, /^(00|\d+)$/));
      assert.deepEqual(await page.$$eval('.wheel.failed h2', all => all.map(title => title.textContent)), ['Mini']);
      assert.match(await text(page, '.wheel.failed .words'), why);
      assert.match(await text(page, '.lead'), /2 of 3 wheels/);
      assert.equal(await page.$$eval('script', all => all.length), 0);
      await page.screenshot({ path: `${shots}/${name}-${size}-${dark ? 'dark' : 'light'}.png`, fullPage: size === 'phone' });
      await Promise.all([page.waitForNavigation(), page.click('.again')]);
      assert.equal(await page.$$eval('.wheel', all => all.length), 3);
      await page.close();
    }
  }
}

async function showsUpstreams(browser) {
  await showsTwoOfThree(browser, /No result\. the upstream server cannot be reached: /, 'upstreams');
}

async function showsTheTable(browser) {
  await showsTwoOfThree(browser, /No result\. closed <today>/, 'table');
  // The form leads back to the page, with what was given.
  const list = await open(browser, '/list');
  await list.$eval('input[name=spins]', field => {
    field.value = '5';
  });
  await Promise.all([list.waitForNavigation(), list.click('form button')]);
  assert.equal(await list.$$eval('ol li', all => all.length), 5);
  await list.close();
}

// A list of methods: each is searched, opened and called in place, and has an address of its own.
async function opensMethodsOfAList(browser) {
  const name = number => `warehouse.readStockOf${number}`;
  const row = number => `[id="method-${name(number)}"]`;
  const opened = page => page.$$eval('.list > li.open', all => all.map(row => row.id));
  const isOpen = (page, number) => page.waitForSelector(`${row(number)}.open .method`, { timeout: 10000 });
  for (const options of [{ width: 390, height: 844, mobile: true }, { width: 1280, height: 900 }]) {
    const size = options.mobile ? 'phone' : 'desk';
    const page = await open(browser, '/large', options);
    const loads = [];
    page.on('request', request => request.url().includes('?method=') && loads.push(request.url()));
    assert.equal(await page.$$eval('.list > li', all => all.length), 1500);
    assert.equal(await page.$('form.call'), null);
    await page.screenshot({ path: `${shots}/list-${size}.png` });
    await page.type('#search', 'STOCKOF77 article');
    const visible = () => page.$$eval('.list > li', all => all.filter(row => row.checkVisibility()).length);
    assert.equal(await visible(), 11);
    assert.equal(await text(page, '.found'), '11 of 1500');
    await page.screenshot({ path: `${shots}/list-search-${size}.png` });
    await page.keyboard.press('Enter');
    await isOpen(page, 77);
    assert.equal(await page.evaluate(() => location.hash), `#method-${name(77)}`);
    assert.equal(await page.evaluate(() => document.activeElement.textContent), name(77));
    for (const protocol of PROTOCOLS) {
      await choose(page, 'protocol', protocol);
      const { status, body } = await callIn(page, row(77));
      assert.match(status, /^200/, `${protocol}: ${body}`);
      assert.match(body, /\b77\b/, protocol);
    }
    await page.screenshot({ path: `${shots}/list-open-${size}.png` });
    // The lines are in the way of nothing: with the search undone, another is opened by its link.
    await page.$eval('#search', field => {
      field.value = '';
      field.dispatchEvent(new Event('input'));
    });
    await page.$eval(`${row(900)} > a`, link => link.click());
    await isOpen(page, 900);
    assert.deepEqual(await opened(page), [`method-${name(900)}`]);
    const top = await page.$eval(row(900), row => row.getBoundingClientRect().top);
    assert.ok(top >= 0 && top < 300, `the section is at ${top}`);
    await page.goBack();
    await isOpen(page, 77);
    assert.deepEqual(await opened(page), [`method-${name(77)}`]);
    await page.goForward();
    await isOpen(page, 900);
    await page.$eval(`${row(900)} .close`, button => button.click());
    assert.deepEqual(await opened(page), []);
    assert.deepEqual(await page.evaluate(() => [location.hash, document.activeElement.textContent]), ['', name(900)]);
    assert.equal(loads.length, 2, loads.join());
    await page.close();
  }

  // A link from elsewhere opens the section.
  const linked = await open(browser, `/large#method-${name(1300)}`);
  await isOpen(linked, 1300);
  const top = await linked.$eval(row(1300), row => row.getBoundingClientRect().top);
  assert.ok(top >= 0 && top < 300, `the section is at ${top}`);
  // What cannot be loaded is told, and can be tried again.
  await linked.setRequestInterception(true);
  const refuse = request => (request.url().includes('?method=') ? request.respond({ status: 503 }) : request.continue());
  linked.on('request', refuse);
  await linked.$eval(`${row(5)} > a`, link => link.click());
  await linked.waitForSelector(`${row(5)} .notice[role="alert"]`);
  assert.match(await text(linked, `${row(5)} .notice`), /could not be loaded: HTTP status 503/);
  linked.off('request', refuse);
  await linked.setRequestInterception(false);
  await linked.$eval(`${row(5)} > a`, link => link.click());
  await isOpen(linked, 5);
  assert.equal(await linked.$(`${row(5)} .notice`), null);
  await linked.close();

  // Without scripts, the links lead to the pages of the methods.
  const still = await open(browser, '/large', { script: false });
  await Promise.all([still.waitForNavigation(), still.click(`${row(2)} > a`)]);
  assert.equal(await still.$$eval('.method h3', all => all.map(title => title.textContent).join()), name(2));
  await still.close();
  const own = await open(browser, `/large?method=${name(8)}`);
  const { status, body } = await callIn(own, '.method');
  assert.match(status, /^200/, body);
  await own.screenshot({ path: `${shots}/method-desk.png` });
  await own.close();
  const pages = ['/large', `/large?method=${name(8)}`, `/large#method-${name(8)}`];
  await isAccessible(browser, pages);
  await isAccessible(browser, pages, { width: 390, height: 844, mobile: true, dark: true });
}

// Calls the method in a part of a page.
async function callIn(page, part) {
  await page.$eval(`${part} .response`, response => {
    response.hidden = true;
  });
  await page.$eval(`${part} form.call`, form => form.requestSubmit());
  await page.waitForSelector(`${part} .response:not([hidden])`, { timeout: 10000 });
  return { status: await text(page, `${part} .response .what`), body: await text(page, `${part} .response .code`) };
}

async function main() {
  const executablePath = process.env.CHROMIUM || '/usr/bin/chromium';
  const browser = await puppeteer.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
  try {
    if (!['showsTheTable', 'showsUpstreams'].includes(wanted)) {
      const first = await open(browser, wanted === 'opensMethodsOfAList' ? '/types' : '/wheel/american');
      PROTOCOLS = await first.$$eval('.tools input[name="protocol"]', all => all.map(input => input.value));
      assert.ok(PROTOCOLS.length > 1);
      await first.close();
    }
    const steps = { isAccessible, sendsEveryType, drawsAndTurnsTheWheel, spinsThroughTheForm, worksByKeyboardOnly, showsHostileTextAsText, documentsWithoutScripts, takesPictures, showsTheTable, showsUpstreams, opensMethodsOfAList };
    await steps[wanted](browser);
  } finally {
    await browser.close();
  }
  assert.deepEqual(complaints, []);
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
