// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The guard: a service that changed its state as two charts, the others in a table.

// Services that changed come first, then those with most SYNs.
const services = [...data.services].sort((a, b) => b.changes.length - a.changes.length || b.syns - a.syns);
const SERVICES_DRAWN = 6;
let allDrawn = false;
function guardTimes() {
  const lines = services.map((s) => s.line).filter((l) => l.len);
  return [
    Math.min(data.first, ...lines.map((l) => l.start)),
    Math.max(data.last, ...lines.map((l) => l.start + l.len * l.width)),
  ];
}
function drawService(s, begin, end) {
  const holders = [el('div', { class: 'chart' }), el('div', { class: 'chart' })],
    engaged = sum(
      statesOf(s, begin, end)
        .filter((x) => x.state === 'engaged')
        .map((x) => x.end - x.begin)
    );
  const key = (color, text, dashed) => el('span', null, dot(colorOf(color), dashed), text);
  const figures = [
    engaged
      ? `engaged for ${s.changesMore ? 'at least ' : ''}${span(Math.round(engaged * 1e6))}`
      : s.changesMore
        ? ''
        : 'never engaged',
    s.cookiesSent ? `${count(s.cookiesSent)} cookies sent, ${count(s.cookiesAccepted)} accepted` : '',
    s.dropped ? `${count(s.dropped)} packets ${s.mode === 'monitor' ? 'would have been ' : ''}dropped` : '',
    s.syns ? `${count(s.syns)} SYNs, ${count(s.completed)} handshakes completed` : '',
  ];
  const node = el(
    'div',
    { class: 'service', 'data-service': s.name },
    el(
      'header',
      null,
      el('h3', null, s.name),
      data.hosts.list.length > 1 ? el('span', { class: 'soft' }, s.host) : null,
      el('span', { class: `badge ${['calm', 'engaged', 'grace'].includes(s.state) ? s.state : ''}` }, s.state || '?'),
      el('span', { class: 'badge' }, `mode ${s.mode || '?'}`),
      s.dryRun ? el('span', { class: 'badge' }, 'dry run') : null,
      el('span', { class: 'sub' }, figures.filter(Boolean).join(' · '))
    ),
    el(
      'div',
      { class: 'legend' },
      key('closed', 'half-open handshakes'),
      s.halfOpenThreshold ? key('closed', `engages at ${count(s.halfOpenThreshold)}`, true) : null
    ),
    holders[0],
    el(
      'div',
      { class: 'legend' },
      key('syn', 'SYNs a second'),
      key('done', 'completed a second'),
      s.synRateThreshold ? key('syn', `engages at ${count(s.synRateThreshold)}`, true) : null
    ),
    holders[1],
    s.changes.length
      ? el(
          'details',
          null,
          el('summary', null, plural(s.changes.length + s.changesMore, 'change') + ' of state'),
          grid(
            [
              ['When (UTC)', 'State', 'Cause'].map((t) => el('th', null, t)),
              ['Half-open', 'SYNs/s', 'Completed/s'].map((t) => el('th', { class: 'num hide640' }, t)),
            ],
            s.changes.map((c) =>
              el(
                'tr',
                null,
                el('td', { class: 'num', vars: { 'text-align': 'left' } }, moment(c.at)),
                el('td', null, `${c.from} → ${c.to}`),
                el('td', { class: 'wide' }, c.cause),
                [c.halfOpen, c.synRate, c.completedRate].map((n) => el('td', { class: 'num hide640' }, count(n)))
              )
            )
          ),
          s.changesMore
            ? el('p', { class: 'sub' }, `${plural(s.changesMore, 'change')} after these are left out.`)
            : null
        )
      : null
  );
  return [
    node,
    () => {
      if (s.line.len) drawGuard(holders, s, begin, end);
    },
  ];
}
// Services that never changed need no picture of their own, unless no other has one.
function drawCalm(list) {
  const peak = (s, name) => count(Math.max(0, ...(s.line[name] || []).map((v) => v ?? 0)));
  return el(
    'div',
    { class: 'service', id: 'calm' },
    el('h3', null, 'Without a change of state'),
    grid(
      [
        el('th', null, 'Service'),
        el('th', { class: 'hide640' }, 'Mode'),
        ['Half-open, peak', 'SYNs/s, peak'].map((t) => el('th', { class: 'num' }, t)),
        ['SYNs', 'Completed'].map((t) => el('th', { class: 'num hide640' }, t)),
      ],
      list.map((s) =>
        el(
          'tr',
          null,
          el(
            'td',
            { class: 'wide' },
            s.name,
            data.hosts.list.length > 1 ? el('span', { class: 'soft' }, ` ${s.host}`) : null
          ),
          el('td', { class: 'hide640' }, `${s.mode}, ${s.state}`),
          ['halfOpen', 'synRate'].map((name) => el('td', { class: 'num' }, peak(s, name))),
          [s.syns, s.completed].map((v) => el('td', { class: 'num hide640' }, count(v)))
        )
      )
    )
  );
}
function drawServices() {
  byId('guard').hidden = !services.length;
  if (!services.length) return;
  const [begin, end] = guardTimes(),
    body = section('guard'),
    changed = Math.max(1, services.filter((s) => s.changes.length).length);
  const drawn = allDrawn ? services.length : Math.min(changed, SERVICES_DRAWN),
    nodes = services.slice(0, drawn).map((s) => drawService(s, begin, end)),
    rest = services.slice(drawn);
  body.replaceChildren(
    el(
      'div',
      { class: 'legend' },
      ['calm', 'engaged', 'grace'].map((s) => el('span', null, dot(colorOf(s)), s))
    ),
    ...nodes.map(([node]) => node)
  );
  nodes.forEach(([, draw]) => draw());
  if (rest.some((s) => !s.changes.length)) body.append(drawCalm(rest.filter((s) => !s.changes.length)));
  if (rest.length)
    body.append(
      el(
        'button',
        {
          class: 'more',
          type: 'button',
          on: {
            click: () => {
              allDrawn = true;
              drawServices();
            },
          },
        },
        `Draw all ${services.length} services`
      )
    );
  if (data.servicesLeftOut)
    body.append(
      el('p', { class: 'sub' }, `${plural(data.servicesLeftOut, 'line')} about further services are left out.`)
    );
}
