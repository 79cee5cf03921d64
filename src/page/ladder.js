// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One connection as an arrow diagram, from its line alone. The history says what came first of each kind, and in which
// order; the line has times of the handshake and of the end. What has no time gets none, and nothing is drawn that the
// line does not say. With the key `ladder` the segments themselves are drawn.

const LETTERS = {
  s: 'SYN',
  h: 'SYN-ACK',
  a: 'ACK',
  d: 'data',
  f: 'FIN',
  r: 'RST',
  c: 'wrong checksum',
  g: 'hole: bytes that were not seen',
  t: 'retransmission',
  w: 'window of zero',
  i: 'contradicting flags',
  q: 'SYN with FIN or RST',
};
const END_OF = {
  fin: 'both sides closed',
  reset: 'reset',
  refused: 'refused',
  aborted: 'aborted by the client',
  unanswered: 'no answer',
  timeout: 'nothing came any more',
  reused: 'the ports were used again',
  end_of_input: 'the capture ended',
  filtered: 'not followed any more',
};

function optionsOf(c, side) {
  const v = (key) => c[`${side}_${key}`],
    out = [];
  if (typeof v('mss') === 'number') out.push(`mss ${v('mss')}`);
  if (typeof v('wscale') === 'number') out.push(`wscale ${v('wscale')}`);
  if (v('sack') === true) out.push('sack');
  if (v('ts') === true) out.push('ts');
  if (v('mptcp') === true) out.push('mptcp');
  if (v('tfo') && v('tfo') !== 'none') out.push(`tfo ${v('tfo')}`);
  return out.join(', ');
}

function stepOf(c, letter, seen) {
  const low = letter.toLowerCase(),
    from = letter === low ? 'resp' : 'orig',
    step = { from, label: LETTERS[low] || letter, note: '' };
  const again = (n) => (n > 0 ? `sent ${n + 1} times` : '');
  if (low === 's' || low === 'h') {
    step.note = [
      optionsOf(c, from),
      again(low === 's' && from === 'orig' ? c.syn_rexmit : low === 'h' ? c.synack_rexmit : 0),
    ]
      .filter(Boolean)
      .join(', ');
    // through a cookie both were proved by the third segment, and have no time: the line begins with that one
    if (c.via === 'cookie') step.dashed = true;
    else if (letter === 'S' && !seen.first) step.ns = 0;
    else if (letter === 'h' && !seen.h) step.ns = c.server_ns;
  }
  // what completes the handshake may have data
  if ((letter === 'A' || letter === 'D') && c.handshake === 'normal' && seen.h && !seen.A && !seen.D)
    step.ns = c.handshake_ns;
  if (low === 'd') step.note = typeof c[`${from}_bytes`] === 'number' ? `${bytes(c[`${from}_bytes`])} in all` : '';
  if (low === 'r' && c.rst_state && c.rst_by === from) step.note = `in state ${c.rst_state}`;
  if (low === 't') step.note = typeof c[`${from}_rexmit`] === 'number' ? `${count(c[`${from}_rexmit`])} in all` : '';
  if (low === 'g') step.dashed = true;
  if (low === 'f' && c.closed_by === from) step.note = 'closes first';
  seen.first = seen[low] = seen[letter] = true;
  return step;
}

function stepsOfHistory(c) {
  const seen = {},
    history = typeof c.history === 'string' ? c.history : '';
  const steps = [...history].filter((x) => x !== '^').map((x) => stepOf(c, x, seen));
  if (c.reason === 'unanswered' && steps.length) steps[steps.length - 1].lost = true;
  return steps;
}

// The key `ladder`: a list of objects with a time, a side and flags. Anything else: null. Numbers are shown relative to
// the ISNs of the line; where these are not known, as they are.
function stepsOfLadder(c) {
  const ladder = c.ladder;
  if (!Array.isArray(ladder) || !ladder.length) return null;
  const relative = (side, v) => (typeof c[`${side}_isn`] === 'number' ? (v - c[`${side}_isn`]) >>> 0 : v);
  const steps = ladder.map((s) => {
    if (s === null || typeof s !== 'object') return null;
    const from = s.from ?? s.by ?? s.side,
      ns = s.ns ?? s.at_ns ?? s.t_ns ?? s.at;
    if (from !== 'orig' && from !== 'resp') return null;
    const note = [
      typeof s.seq === 'number' ? `seq ${relative(from, s.seq)}` : '',
      typeof s.ack === 'number' ? `ack ${relative(from === 'orig' ? 'resp' : 'orig', s.ack)}` : '',
      (s.payload ?? s.len) ? `${plain(s.payload ?? s.len)} B` : '',
    ];
    return {
      from,
      ns: typeof ns === 'number' ? ns : undefined,
      label: String(plain(s.flags ?? 'segment')),
      note: note.filter(Boolean).join(', '),
    };
  });
  return steps.includes(null) ? null : steps;
}

const moreOf = (more) =>
  more === null ? ' What came before is not known.' : more > 0 ? ` ${count(more)} more were not kept.` : '';

function arrow(from, to, y, { lost, dashed }) {
  const way = Math.sign(to - from),
    end = lost ? from + (to - from) * 0.72 : to - way * 2;
  const head = lost
    ? `M${end - 5},${y - 5} l10,10 m0,-10 l-10,10`
    : `M${end - way * 9},${y - 5} L${end},${y} L${end - way * 9},${y + 5}`;
  return svg(
    'g',
    {
      fill: 'none',
      stroke: colorOf(lost ? 'unanswered' : 'accent'),
      'stroke-width': 1.7,
      'stroke-linecap': 'round',
      'stroke-linejoin': 'round',
    },
    svg('line', {
      x1: from,
      x2: lost ? end - way * 8 : end,
      y1: y,
      y2: y,
      'stroke-dasharray': lost || dashed ? '5 4' : null,
    }),
    svg('path', { d: head })
  );
}

function drawLadder(c, width) {
  const recorded = stepsOfLadder(c),
    steps = recorded || stepsOfHistory(c);
  const narrow = width < 520,
    gutter = narrow ? 58 : 84,
    left = gutter + 6,
    right = width - (narrow ? 12 : 24),
    middle = (left + right) / 2;
  const rowHeight = narrow ? 46 : 38,
    top = 4,
    bottom = top + Math.max(1, steps.length) * rowHeight + 8;
  const root = svg('svg', {
    class: 'ladder',
    width,
    height: bottom + 48,
    viewBox: `0 0 ${width} ${bottom + 48}`,
    role: 'img',
    'aria-label': `Segments of the connection: ${steps.map((s) => s.label).join(', ')}`,
  });
  const text = (x, y, content, anchor, kind) =>
    root.append(svg('text', { x, y, 'text-anchor': anchor, class: kind || '' }, content));
  for (const x of [left, right])
    root.append(svg('line', { class: 'axis', x1: x, x2: x, y1: 2, y2: bottom, 'stroke-width': 2 }));
  steps.forEach((s, i) => {
    const y = top + (i + 1) * rowHeight - 6,
      from = s.from === 'orig' ? left : right,
      to = s.from === 'orig' ? right : left;
    root.append(arrow(from, to, y, s));
    if (typeof s.ns === 'number') text(gutter - 4, y + 4, s.ns === 0 ? '0' : `+${span(s.ns)}`, 'end', 'soft');
    if (narrow && s.note) {
      text(middle, y - 19, s.label, 'middle');
      text(middle, y - 6, s.note, 'middle', 'soft');
    } else {
      const line = svg('text', { x: middle, y: y - 6, 'text-anchor': 'middle' }, s.label);
      if (s.note) line.append(svg('tspan', { class: 'soft', fill: 'var(--soft)' }, `  ${s.note}`));
      root.append(line);
    }
  });
  if (!steps.length) text(middle, top + 20, 'no segment is in its history', 'middle', 'soft');
  const closer =
    c.reason === 'fin' && c.closed_by
      ? `, ${c.closed_by === 'both' ? 'both at once' : `${c.closed_by === 'orig' ? 'originator' : 'responder'} first`}`
      : '';
  root.append(
    svg('line', { class: 'axis', x1: left - 5, x2: right + 5, y1: bottom, y2: bottom, 'stroke-dasharray': '2 3' })
  );
  text(
    middle,
    bottom + 19,
    `${Object.hasOwn(END_OF, c.reason) ? END_OF[c.reason] : (c.reason ?? 'still open')}${closer}`,
    'middle'
  );
  text(middle, bottom + 36, `last segment after ${span(c.duration_ns)}`, 'middle', 'soft');
  const end = (name, ip, port) =>
    el('div', null, el('span', { class: 'soft' }, name), el('b', null, endpoint(ip, port)));
  return el(
    'div',
    null,
    el(
      'div',
      { class: 'parties', vars: { 'padding-left': `${left - 4}px`, 'padding-right': `${width - right - 4}px` } },
      end('originator', c.orig_ip, c.orig_port),
      end('responder', c.resp_ip, c.resp_port)
    ),
    root
  );
}

const FACTS = [
  ['outcome', (c) => [c.reason, c.closed_by ? `closed by ${c.closed_by}` : '']],
  ['history', (c) => [c.conn_state, c.history]],
  ['states', (c) => [c.orig_state, c.resp_state]],
  [
    'handshake',
    (c) => [
      c.handshake,
      c.via === 'cookie' ? 'through a SYN cookie' : '',
      typeof c.handshake_ns === 'number' ? span(c.handshake_ns) : '',
    ],
  ],
  [
    'its parts',
    (c) =>
      typeof c.server_ns === 'number'
        ? [`server ${span(c.server_ns)}`, typeof c.client_ns === 'number' ? `client ${span(c.client_ns)}` : '']
        : [],
  ],
  ['bytes', (c) => [`${bytes(c.orig_bytes)} →  ← ${bytes(c.resp_bytes)}`]],
  ['packets', (c) => [`${count(c.orig_pkts ?? 0)} →  ← ${count(c.resp_pkts ?? 0)}`]],
  [
    'sent again',
    (c) => [
      `SYN ${c.syn_rexmit ?? 0}`,
      `SYN-ACK ${c.synack_rexmit ?? 0}`,
      `data ${c.orig_rexmit ?? 0} →  ← ${c.resp_rexmit ?? 0}`,
    ],
  ],
  ['missed', (c) => (c.missed_bytes ? [bytes(c.missed_bytes)] : [])],
  ['anomalies', (c) => (c.anomalies ? [count(c.anomalies)] : [])],
  ['began', (c) => [c.start]],
  ['seen at', (c) => [c.host, c.iface]],
  ['VLAN', (c) => (Array.isArray(c.vlan) ? c.vlan.map(plain) : [])],
  ['uid', (c) => [c.uid]],
  ['community id', (c) => [c.community_id]],
];

function story(c, raw, width) {
  const facts = FACTS.map(([name, of]) => [
    name,
    of(c)
      .filter((x) => x !== null && x !== undefined && x !== '')
      .join(', '),
  ]).filter(([, v]) => v);
  const picture = width > 900 ? width - 28 - 340 - 28 : width - (width > 560 ? 28 : 8);
  return el(
    'div',
    { class: 'story' },
    el(
      'div',
      null,
      drawLadder(c, Math.max(230, picture)),
      el(
        'p',
        { class: 'sub' },
        stepsOfLadder(c)
          ? `The control segments, with their times since the first one.${moreOf(c.ladder_more)}`
          : `Of each kind of segment the first one, in order${c.history_full ? ', until the history was full' : ''}; times where the line has them.`
      )
    ),
    el(
      'dl',
      null,
      facts.map(([name, value]) => [el('dt', null, name), el('dd', null, value)])
    ),
    el('details', null, el('summary', null, 'The line'), el('pre', { class: 'mono' }, raw))
  );
}
