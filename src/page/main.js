// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Fills the page from the numbers that synward counted.

function drawAbout() {
  const about = byId('about'),
    where = [
      data.hosts.list.length ? `host ${names(data.hosts)}` : '',
      data.ifaces.list.length ? `interface ${names(data.ifaces)}` : '',
    ];
  const time = data.first
    ? `${moment(data.first)} to ${day(data.first) === day(data.last) ? clock(data.last, 1000) : moment(data.last)} UTC (${span(Math.round((data.last - data.first) * 1e6))})`
    : 'no line has a time';
  about.textContent = [time, ...where.filter(Boolean)].join(' · ');
  document.title = `synward report${data.first ? `, ${moment(data.first)} UTC` : ''}`;
}

function drawNotices() {
  const say = (text, bad) => byId('notices').append(el('p', { class: bad ? 'notice bad' : 'notice' }, text));
  if (data.loss.lost)
    say(
      `${count(data.loss.lost)} events were lost. Figures on this page are too low by what they would have added: see Losses.`,
      true
    );
  if (data.sample)
    say(
      `These lines are a sample, of about one of ${count(data.sample)} connections: what is counted by connection here is of the sample. Losses, drops and services are of all.`
    );
  if (data.damaged) say(`${data.damaged} is damaged: what follows in it is not in this page.`, true);
  if (data.broken)
    say(
      `${plural(data.broken, 'line')} of ${count(data.lines)} could not be read and ${data.broken === 1 ? 'is' : 'are'} left out, the first is line ${count(data.firstBroken)} of ${data.firstBrokenIn}.`
    );
  if (data.otherSchema)
    say(
      `${plural(data.otherSchema, 'line')} of another schema than 3 ${data.otherSchema === 1 ? 'is' : 'are'} left out.`
    );
  if (!conns)
    say('There is no conn line: outcomes and connections come from those. --events conn, or all, has them.');
}

function drawTiles() {
  const failed = data.outcomes[1] + data.outcomes[2] + data.outcomes[3],
    p = data.spans.handshake;
  const guard = data.services.filter((s) => s.changes.some((c) => c.to === 'engaged')).length;
  const tiles = [
    [
      'connections',
      count(conns),
      'connections',
      [
        data.midstream ? `${count(data.midstream)} picked up midstream` : '',
        data.cookie ? `${count(data.cookie)} through a cookie` : '',
      ]
        .filter(Boolean)
        .join(', ') || 'that have ended',
    ],
    ['failed', percent(failed, conns), 'failed', `${count(failed)} refused, reset or unanswered`],
    ['handshakes', count(data.spans.n), 'handshakes', 'that completed, with their times'],
    [
      'p50',
      data.spans.n ? span(p[0]) : '–',
      'median handshake',
      data.spans.n ? `server ${span(data.spans.server[0])}, client ${span(data.spans.client[0])}` : 'SYN to ACK',
      p[0],
    ],
    ['p99', data.spans.n ? span(p[2]) : '–', '99 % take at most', data.spans.n ? `slowest ${span(p[3])}` : '', p[2]],
    [
      'guarded',
      data.services.length ? count(guard) : '–',
      'services under attack',
      data.services.length ? `of ${count(data.services.length)} protected` : 'no line of the guard',
    ],
    [
      'lost',
      count(data.loss.lost),
      'events lost',
      data.loss.lost ? 'counted by loss lines' : 'nothing is missing that was counted',
    ],
  ];
  byId('tiles').append(
    ...tiles.map(([id, value, name, more, exact]) =>
      el(
        'div',
        {
          id: `tile-${id}`,
          class: id === 'lost' ? (data.loss.lost ? 'tile lost' : 'tile whole') : 'tile',
          'data-value': exact ?? null,
        },
        el('b', null, value),
        el('span', { class: 'name' }, name),
        el('span', null, more)
      )
    )
  );
}

const hidden = new Set();
function drawLegend() {
  byId('outcomes')
    .querySelector('.legend')
    .replaceChildren(
      ...OUTCOMES.map((o, i) =>
        el(
          'button',
          {
            type: 'button',
            'data-outcome': o,
            'aria-pressed': String(!hidden.has(o)),
            on: {
              click: () => {
                if (!hidden.delete(o)) hidden.add(o);
                drawLegend();
                drawOverTime();
              },
            },
          },
          dot(colorOf(o)),
          `${o} `,
          el('span', { class: 'n' }, count(data.outcomes[i]))
        )
      ),
      ...(data.loss.lost
        ? [el('span', { class: 'bad' }, dot(colorOf('loss')), 'lost events ', el('span', null, count(data.loss.lost)))]
        : [])
    );
}
// One connection that lasted for days would make a day's log a narrow strip at the right edge.
function drawOverTime() {
  byId('outcomes').hidden = !conns;
  if (!data.line.len || !conns) return;
  const line = since(data.line, SUMS, data.first ? data.first - Math.max(60000, data.last - data.first) : 0);
  const drawn = sum(OUTCOMES.map((o) => sum(line[o])));
  if (line.len) drawOutcomes(byId('outcomes').querySelector('.chart'), line, hidden);
  byId('outcomes').querySelector('.sub').textContent =
    drawn < conns ? `Not drawn: ${plural(conns - drawn, 'connection')} that began long before the first line.` : '';
}

function drawPackets() {
  const parts = [
    ['drops', 'Packets dropped', 'reset'],
    ['wouldDrops', 'Would have been dropped (monitor)', 'timeout'],
    ['anomalies', 'Anomalies, by their lines', 'refused'],
  ].filter(([key]) => data[key].list.length);
  byId('packets').hidden = !parts.length;
  section('packets').append(
    ...parts.map(([key, title, color]) => {
      const list = [...data[key].list].sort((a, b) => b[1] - a[1]),
        total = sum(list.map(([, n]) => n)) + data[key].other;
      return el(
        'div',
        null,
        el('h3', null, `${title} `, el('span', { class: 'soft' }, count(total))),
        bars(list, color, total, key)
      );
    })
  );
}

function drawLosses() {
  const { lost, missing, restarts, by } = data.loss,
    kinds = Object.entries(by)
      .filter(([, n]) => n)
      .sort((a, b) => b[1] - a[1]);
  const verdict =
    missing === lost
      ? lost
        ? 'The numbers of the lines lack exactly as many: nothing else is missing.'
        : 'The numbers of the lines have no gap: between the first line and the last nothing is missing.'
      : missing > lost
        ? `The numbers of the lines lack ${count(missing)}: ${count(missing - lost)} lines were taken out of these files, or come from elsewhere.`
        : `The numbers of the lines lack only ${count(missing)}: the files begin after some losses, or lines came in another order.`;
  section('losses').append(
    el(
      'p',
      { class: lost ? 'bad' : 'what', id: 'lost-total' },
      lost
        ? el('strong', null, `${count(lost)} events were lost: they did not fit into a ring, or could not be written.`)
        : 'No loss line: every event that was made is here, as far as these lines go.'
    ),
    kinds.length ? bars(kinds, 'loss', lost, 'lost-by') : '',
    el(
      'p',
      { class: 'what' },
      verdict,
      restarts ? ` The numbering began anew ${restarts === 1 ? 'once' : `${count(restarts)} times`}.` : ''
    )
  );
}

function drawFoot() {
  const kinds = Object.entries(data.kinds)
    .filter(([, n]) => n)
    .map(([k, n]) => `${count(n)} ${k}`);
  byId('foot').replaceChildren(
    el(
      'p',
      null,
      `Made by synward ${data.version} report of ${plural(data.lines, 'line')} in ${data.files.join(', ')}: ${kinds.join(', ')}${data.unknown ? `, ${plural(data.unknown, 'line')} of a kind that this version does not know` : ''}. Times are UTC. This page loads nothing and sends nothing.`
    )
  );
}

function drawAll() {
  drawLegend();
  drawOverTime();
  drawServices();
  drawServers();
}
drawAbout();
drawNotices();
drawTiles();
drawFailures();
drawPackets();
drawLosses();
drawFoot();
drawAll();
startTable(data);
let drawnAt = document.documentElement.clientWidth;
window.addEventListener('resize', () => {
  if (document.documentElement.clientWidth === drawnAt) return; // only the height changed: an address bar went away
  drawnAt = document.documentElement.clientWidth;
  drawAll();
  drawTable();
});
