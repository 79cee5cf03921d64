// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The table of connections: search, outcomes, order, and one connection's picture on a click. Search and the open
// connection are in the address (#q=…&open=…), so that a view can be sent to somebody.

const PAGE_ROWS = 100;
const table = {
  rows: [],
  unreadable: 0,
  q: '',
  only: new Set(),
  sort: 'start',
  down: true,
  shown: PAGE_ROWS,
  open: null,
};

// ladder.js reads the two that are lists.
const flat = ([key, v]) => [key, key === 'vlan' || key === 'ladder' ? v : plain(v)];

function readRow(raw, seen) {
  const c = Object.fromEntries(Object.entries(JSON.parse(raw)).map(flat)),
    key = `${c.host} ${c.uid} ${c.seq}`,
    outcome = outcomeOf(c.reason);
  if (seen.has(key)) return;
  seen.add(key);
  table.rows.push({
    c,
    raw,
    outcome,
    key: typeof c.uid === 'string' ? c.uid : `line ${c.seq}`,
    start: Date.parse(c.start ?? c.ts) || 0,
    text: `${endpoint(c.orig_ip, c.orig_port)} ${endpoint(c.resp_ip, c.resp_port)} ${outcome} ${raw}`.toLowerCase(),
  });
}

function readRows(text) {
  const seen = new Set();
  for (const raw of text.split('\n'))
    try {
      if (raw) readRow(raw, seen);
    } catch {
      table.unreadable++;
    }
}

// Words must all be there; key:value compares one key of the line, and src, dst, port, state, outcome stand for theirs.
const SHORT = {
  src: (c, v) => String(c.orig_ip).startsWith(v),
  dst: (c, v) => String(c.resp_ip).startsWith(v),
  port: (c, v) => String(c.orig_port) === v || String(c.resp_port) === v,
  state: (c, v) => [c.orig_state, c.resp_state, c.conn_state].some((s) => String(s).toLowerCase() === v),
  outcome: (c, v) => outcomeOf(c.reason) === v,
};
function matcher(q) {
  const tests = q
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => {
      const at = word.indexOf(':'),
        key = word.slice(0, at),
        value = word.slice(at + 1);
      if (at > 0 && Object.hasOwn(SHORT, key)) return ({ c }) => SHORT[key](c, value);
      if (at > 0 && table.rows.some(({ c }) => Object.hasOwn(c, key)))
        return ({ c }) => String(plain(c[key])).toLowerCase() === value;
      return ({ text }) => text.includes(word);
    });
  return (row) => tests.every((test) => test(row));
}

const COLUMNS = [
  ['start', 'Began (UTC)', 'at', (r) => r.start],
  ['orig', 'Client → server', 'ends', (r) => endpoint(r.c.orig_ip, r.c.orig_port)],
  ['outcome', 'Outcome', 'tag', (r) => r.outcome],
  ['handshake', 'Handshake', 'num took', (r) => r.c.handshake_ns ?? -1],
  ['duration', 'Lasted', 'num hide640', (r) => r.c.duration_ns ?? -1],
  ['bytes', 'Bytes → · ←', 'num hide900', (r) => (r.c.orig_bytes ?? 0) + (r.c.resp_bytes ?? 0)],
  ['rexmit', 'SYNs again', 'num hide900', (r) => r.c.syn_rexmit ?? 0],
  ['history', 'History', 'hide640', (r) => r.c.history ?? ''],
];

function cellsOf(r, days) {
  const c = r.c;
  return [
    [
      el(
        'button',
        { type: 'button', 'data-key': r.key, 'aria-expanded': String(table.open === r.key) },
        days ? `${day(r.start).slice(5)} ${clock(r.start, 1)}` : clock(r.start, 1)
      ),
    ],
    [endpoint(c.orig_ip, c.orig_port), el('span', { class: 'soft' }, ' → '), endpoint(c.resp_ip, c.resp_port)],
    [dot(colorOf(r.outcome)), c.reason ?? 'open'],
    [span(c.handshake_ns)],
    [span(c.duration_ns)],
    [`${bytes(c.orig_bytes)} · ${bytes(c.resp_bytes)}`],
    [c.syn_rexmit ? count(c.syn_rexmit) : ''],
    [el('span', { class: 'mono' }, c.history ?? '')],
  ];
}

function sorted(rows) {
  const of = COLUMNS.find(([name]) => name === table.sort)[3],
    sign = table.down ? -1 : 1;
  return rows
    .map((r) => [of(r), r])
    .sort(([a, x], [b, y]) => sign * (a < b ? -1 : a > b ? 1 : 0) || y.start - x.start)
    .map(([, r]) => r);
}

function remember() {
  const parts = [];
  if (table.q) parts.push(`q=${encodeURIComponent(table.q)}`);
  if (table.open) parts.push(`open=${encodeURIComponent(table.open)}`);
  const hash = parts.length ? `#${parts.join('&')}` : '';
  if (hash !== location.hash) history.replaceState(null, '', hash || location.pathname + location.search);
}

function headOf([name, title, kind]) {
  const is = table.sort === name,
    click = () => {
      table.down = is ? !table.down : name !== 'orig';
      table.sort = name;
      drawTable();
    };
  return el(
    'th',
    { class: kind, 'aria-sort': is ? (table.down ? 'descending' : 'ascending') : null },
    el(
      'button',
      { type: 'button', 'data-key': `sort ${name}`, on: { click } },
      title,
      is ? (table.down ? ' ↓' : ' ↑') : ''
    )
  );
}

function rowOf(r, days, width) {
  const open = table.open === r.key,
    click = () => {
      table.open = open ? null : r.key;
      drawTable();
    };
  const cells = cellsOf(r, days).map((cell, i) => el('td', { class: COLUMNS[i][2] }, cell));
  const row = el('tr', { class: open ? 'row open' : 'row', 'data-uid': r.key, on: { click } }, cells);
  if (!open) return [row];
  return [row, el('tr', { class: 'detail' }, el('td', { colspan: COLUMNS.length }, story(r.c, r.raw, width)))];
}

function drawTable() {
  const all = table.rows.filter(matcher(table.q)),
    found = sorted(all.filter((r) => !table.only.size || table.only.has(r.outcome)));
  const days = new Set(table.rows.map((r) => day(r.start))).size > 1,
    holder = byId('connections').querySelector('.body');
  const focused = document.activeElement?.dataset?.key;
  byId('found').textContent =
    found.length === table.rows.length ? count(found.length) : `${count(found.length)} of ${count(table.rows.length)}`;
  drawChips(all);
  // the open one also where it would be beyond the first rows
  const open = found.findIndex((r) => r.key === table.open),
    drawn = found.slice(0, table.shown).concat(open >= table.shown ? [found[open]] : []);
  const body = el(
    'tbody',
    null,
    drawn.map((r) => rowOf(r, days, holder.clientWidth))
  );
  holder.replaceChildren(el('table', { id: 'rows' }, el('thead', null, el('tr', null, COLUMNS.map(headOf))), body));
  const more = () => {
    table.shown += 10 * PAGE_ROWS;
    drawTable();
  };
  if (found.length > table.shown)
    holder.append(
      el(
        'button',
        { class: 'more', type: 'button', on: { click: more } },
        `Show more (${count(found.length - table.shown)} left)`
      )
    );
  if (!found.length) holder.append(el('p', { class: 'soft' }, 'No connection of the table matches.'));
  // what had the keyboard's focus was drawn anew
  if (focused)
    [...byId('connections').querySelectorAll('[data-key]')]
      .find((e) => e.dataset.key === focused)
      ?.focus({ preventScroll: true });
  remember();
}

function drawChips(rows) {
  const of = (o) => rows.filter((r) => r.outcome === o).length;
  byId('connections')
    .querySelector('.chips')
    .replaceChildren(
      ...OUTCOMES.filter((o) => table.rows.some((r) => r.outcome === o)).map((o) =>
        el(
          'button',
          {
            type: 'button',
            'data-outcome': o,
            'data-key': `outcome ${o}`,
            'aria-pressed': String(table.only.has(o)),
            vars: { '--c': colorOf(o) },
            on: {
              click: () => {
                if (!table.only.delete(o)) table.only.add(o);
                table.shown = PAGE_ROWS;
                drawTable();
              },
            },
          },
          dot(colorOf(o)),
          `${o} `,
          el('span', { class: 'soft' }, count(of(o)))
        )
      )
    );
}

function followAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  table.q = parts.get('q') ?? '';
  table.open = parts.get('open');
  byId('q').value = table.q;
}

const showOpen = () => byId('connections').querySelector('tr.open')?.scrollIntoView();

function startTable(data) {
  readRows(byId('lines').textContent);
  const all = data.outcomes.reduce((a, b) => a + b, 0),
    what = byId('connections').querySelector('.what');
  what.textContent =
    table.rows.length === all
      ? 'All of them. A click shows one connection as a picture.'
      : `${count(table.rows.length)} of ${count(all)}: the last ${count(data.rows.limit)} of each outcome and the ${data.rows.slow} slowest handshakes; all are in the figures above. A click shows one connection as a picture.`;
  if (data.rows.tooLong) what.textContent += ` ${plural(data.rows.tooLong, 'line')} of more than 8 kB are left out.`;
  if (table.unreadable) what.textContent += ` ${plural(table.unreadable, 'line')} could not be shown.`;
  followAddress();
  byId('q').addEventListener('input', () => {
    table.q = byId('q').value;
    table.shown = PAGE_ROWS;
    drawTable();
  });
  window.addEventListener('hashchange', () => {
    followAddress();
    drawTable();
    showOpen();
  });
  drawTable();
  showOpen();
}
