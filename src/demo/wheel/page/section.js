
// The wheel: thrown over the protocol that is chosen, with what came up so far.

const table = document.querySelector('[data-ring]');
if (table && chosen('protocol')) startTable(table);

function startTable(table) {
  const find = selector => table.querySelector(selector);
  const sectors = [...table.querySelectorAll('.histogram g')].map((group, at) => ({
    group,
    label: page.section.labels[at],
    color: group.getAttribute('class'),
    share: Number(group.dataset.share),
    at: Number(group.dataset.at),
    count: 0,
  }));
  const byLabel = new Map(sectors.map(sector => [sector.label, sector]));
  const calm = matchMedia('(prefers-reduced-motion: reduce)');
  let [turned, total, busy] = [0, 0, false];

  const firstText = value => (Array.isArray(value) ? firstText(value[0]) : Object(value) === value ? firstText(Object.values(value)[0]) : String(value));

  async function ask(name, values) {
    const method = page.methods.find(method => method.name === name);
    const params = method.params.map((param, at) => ({ ...param, value: values[at], given: at < values.length }));
    const call = callWith(method, params);
    const response = await send(call.request);
    if (response.cut) throw new Error('the response is too long');
    return readResult[call.protocol](response.text, response.ok);
  }

  async function pick(times) {
    const { pick, list } = page.section;
    if (times > 1 && list) return (await ask(list, [times])).map(firstText);
    const picked = [];
    while (picked.length < times) picked.push(firstText(await ask(pick, [])));
    return picked;
  }

  async function turnTo(sector) {
    const [wheel, ball] = [find('.turning'), find('.ball')];
    const from = turned;
    // Against the clock, at least three turns, until the sector is at the top.
    turned = from - 1080 - ((((from + sector.at) % 360) + 360) % 360);
    ball.removeAttribute('hidden');
    const still = degrees => `rotate(${degrees}deg)`;
    if (!calm.matches && wheel.animate) {
      const timing = { duration: 3600, easing: 'cubic-bezier(0.12, 0.6, 0.1, 1)' };
      const turning = wheel.animate([{ transform: still(from) }, { transform: still(turned) }], timing);
      ball.animate(
        [
          { transform: `rotate(0deg) translateY(-33px)` },
          { transform: `rotate(1500deg) translateY(-33px)`, offset: 0.6 },
          { transform: `rotate(1800deg) translateY(0px)` },
        ],
        { ...timing, easing: 'cubic-bezier(0.2, 0.5, 0.25, 1)' },
      );
      wheel.style.transform = still(turned);
      await turning.finished;
    }
    wheel.style.transform = still(turned);
  }

  function note(labels) {
    for (const label of labels) {
      const sector = byLabel.get(label);
      if (sector) sector.count += 1;
      total += 1;
    }
    const outcomes = find('.outcomes');
    for (const label of labels.slice(-30)) {
      const item = document.createElement('li');
      item.textContent = label;
      item.className = byLabel.get(label)?.color || 'gray';
      outcomes.prepend(item);
    }
    while (outcomes.children.length > 30) outcomes.lastChild.remove();
    find('.none').hidden = total > 0;
    draw();
  }

  function draw() {
    find('.histogram').hidden = total === 0;
    const highest = Math.max(...sectors.map(sector => Math.max(sector.count, sector.share * total)), 1);
    let surprise = 0;
    for (const { group, label, share, count } of sectors) {
      const height = (70 * count) / highest;
      const bar = group.querySelector('.bar');
      bar.setAttribute('height', height);
      bar.setAttribute('y', 74 - height);
      bar.firstElementChild.textContent = `${label}: ${count}, expected ${(share * total).toFixed(1)}`;
      group.querySelector('.expected').setAttribute('y', 74 - (70 * share * total) / highest);
      surprise += (count - share * total) ** 2 / (share * total || 1);
    }
    const spins = `${total.toLocaleString('en')} ${total === 1 ? 'spin' : 'spins'}`;
    const enough = sectors.every(({ share }) => share * total >= 5);
    find('.sum').textContent = enough ? `${spins}; χ² = ${surprise.toFixed(1)} with ${sectors.length - 1} degrees of freedom` : spins;
  }

  async function spin(times) {
    if (busy) return;
    busy = true;
    try {
      const labels = await pick(times);
      const last = byLabel.get(labels[labels.length - 1]);
      const outcome = find('.outcome');
      outcome.textContent = '';
      if (last) {
        await turnTo(last);
        outcome.textContent = last.label;
        outcome.setAttribute('class', `outcome ${last.color}`);
      }
      note(labels);
      find('.landed').textContent = times === 1 ? `The ball landed in ${labels[0]}.` : `${times} spins, the last in ${labels[labels.length - 1]}.`;
    } catch (error) {
      find('.landed').textContent = `No spin: ${error.message}`;
    } finally {
      busy = false;
    }
  }

  for (const button of table.querySelectorAll('[data-times]')) {
    button.addEventListener('click', () => spin(Number(button.dataset.times)));
  }
  find('.clear').addEventListener('click', () => {
    sectors.forEach(sector => (sector.count = 0));
    total = 0;
    find('.outcomes').replaceChildren();
    note([]);
    find('.spins button').focus();
  });
}
