// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Servers: percentiles of their handshakes; those that refused, reset or did not answer, and the clients it happened to.

const SERVER_COLUMNS = [
  ['conns', 'Ended', 'num hide640', (s) => sum(s.outcomes)],
  ['n', 'Handshakes', 'num hide640', (s) => s.n],
  ['p50', 'p50', 'num', (s) => s.handshake[0]],
  ['p90', 'p90', 'num hide640', (s) => s.handshake[1]],
  ['p99', 'p99', 'num', (s) => s.handshake[2]],
  ['max', 'Slowest', 'num hide640', (s) => s.handshake[3]],
  ['server', 'Server p99', 'num hide900', (s) => s.server[2]],
  ['client', 'Client p99', 'num hide900', (s) => s.client[2]],
];
const servers = { sort: 'n', down: true, shown: 12 };
function drawServers() {
  const list = data.servers.list.filter((s) => s.n),
    what = byId('servers').querySelector('.what');
  byId('servers').hidden = !list.length;
  if (!list.length) return;
  what.replaceChildren(
    `First SYN to completion, measured where synward runs; the server’s part is SYN to SYN-ACK. Bars: median to 90 % to 99 %, line: slowest. ${list.every((s) => s.exact) ? 'Exact.' : 'Exact up to 256 handshakes of a server, beyond within 1.6 %.'}`,
    data.servers.over
      ? ` More than ${count(data.servers.len)} servers: those that are rare are not counted from their first connection on.`
      : ''
  );
  const of = SERVER_COLUMNS.find(([name]) => name === servers.sort)[3],
    sign = servers.down ? -1 : 1;
  list.sort((a, b) => sign * (of(a) - of(b)));
  const low = Math.min(...list.map((s) => Math.max(1, s.handshake[0]))),
    high = Math.max(...list.map((s) => s.handshake[3]));
  const head = SERVER_COLUMNS.map(([name, title, kind]) =>
    el(
      'th',
      { class: kind, 'aria-sort': servers.sort === name ? (servers.down ? 'descending' : 'ascending') : null },
      el(
        'button',
        {
          type: 'button',
          on: {
            click: () => {
              servers.down = servers.sort === name ? !servers.down : true;
              servers.sort = name;
              drawServers();
            },
          },
        },
        title,
        servers.sort === name ? (servers.down ? ' ↓' : ' ↑') : ''
      )
    )
  );
  const rows = list.slice(0, servers.shown).map((s) =>
    el(
      'tr',
      { 'data-server': s.at },
      el('td', { class: 'wide' }, s.at),
      SERVER_COLUMNS.map(([name, , kind, value]) =>
        el(
          'td',
          { class: kind, 'data-column': name, 'data-value': value(s) },
          name === 'n' || name === 'conns' ? count(value(s)) : span(value(s))
        )
      ),
      el('td', { class: 'range' }, drawRange(s.handshake, low, high))
    )
  );
  section('servers').replaceChildren(
    grid([el('th', null, 'Server'), head, el('th', { class: 'range' }, `${span(low)} … ${span(high)}, logarithmic`)], rows)
  );
  const more = list.length - servers.shown;
  if (more > 0)
    section('servers').append(
      el(
        'button',
        {
          class: 'more',
          type: 'button',
          on: {
            click: () => {
              servers.shown = list.length;
              drawServers();
            },
          },
        },
        `Show ${plural(more, 'more server').replace('more servers', 'more')}`
      )
    );
  if (data.servers.len > data.servers.list.length)
    section('servers').append(
      el(
        'p',
        { class: 'sub' },
        `The ${count(data.servers.list.length)} busiest of ${count(data.servers.len)}${data.servers.over ? ' or more' : ''} servers.`
      )
    );
}

function bars(list, color, total, id) {
  const most = Math.max(1, ...list.map(([, n]) => n));
  return el(
    'ul',
    { class: 'bars', id },
    list.map(([name, n]) =>
      el(
        'li',
        { vars: { '--w': `${(100 * n) / most}%`, '--c': colorOf(color) } },
        el('span', null, name),
        el('span', { class: 'n' }, count(n), total ? el('span', { class: 'soft' }, ` ${percent(n, total)}`) : null)
      )
    )
  );
}
function drawFailures() {
  byId('failures').hidden = !['refused', 'reset', 'unanswered'].some((o) => data.tops[o].servers.total);
  section('failures').append(
    ...['refused', 'reset', 'unanswered'].map((o) => {
      const { servers: at, clients } = data.tops[o],
        rest = (top, what) =>
          top.len > top.list.length
            ? el(
                'p',
                { class: 'sub' },
                `${count(top.total - sum(top.list.map(([, n]) => n)))} at ${top.over ? 'more than ' : ''}${count(top.len - top.list.length)} other ${what}`
              )
            : null;
      return el(
        'div',
        { 'data-outcome': o },
        el('h3', null, dot(colorOf(o)), `${o} `, el('span', { class: 'soft' }, count(at.total))),
        at.total
          ? [
              el('p', { class: 'sub' }, 'by server'),
              bars(at.list, o, at.total, `top-${o}-servers`),
              rest(at, 'servers'),
              el('p', { class: 'sub' }, 'by client'),
              bars(clients.list, o, clients.total, `top-${o}-clients`),
              rest(clients, 'clients'),
            ]
          : el('p', { class: 'sub' }, 'none')
      );
    })
  );
}
