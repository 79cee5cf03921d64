// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Charts over time: stacked bars, lines with a threshold, bands of states. Each is drawn for the width that it has.

const WIDTHS = [
  1, 5, 10, 50, 100, 500, 1e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 18e5, 36e5, 108e5, 216e5, 432e5, 864e5, 6048e5, 24192e5,
  290304e5, 2903040e5,
];
const TICKS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 108e5,
  216e5, 432e5, 864e5, 1728e5, 6048e5, 24192e5, 31536e6, 15768e7,
];

// The bins of a timeline, merged until there are no more than `most`; sums adds up, else the largest stays.
function rebin(line, names, most, sums) {
  let width = line.width;
  const begin = line.start,
    end = line.start + line.len * line.width;
  for (const w of WIDTHS) if (w > width && Math.ceil(end / width) - Math.floor(begin / width) > most) width = w;
  const first = Math.floor(begin / width),
    len = Math.max(1, Math.ceil(end / width) - first),
    out = { width, start: first * width, len };
  for (const name of names) {
    const to = (out[name] = new Array(len).fill(sums ? 0 : null));
    (line[name] || []).forEach((v, i) => {
      if (v === null) return;
      const at = Math.floor((line.start + i * line.width) / width) - first;
      to[at] = sums ? to[at] + v : Math.max(to[at] ?? 0, v);
    });
  }
  return out;
}

// A step of an axis that people read, for about so many of them; counts have no fractions.
function niceStep(max, steps) {
  const least = Math.max(max / steps, 1),
    unit = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 2.5, 5, 10].find((m) => m * unit >= least * 0.999 && (m !== 2.5 || unit > 1)) * unit;
}
const niceMax = (max, steps) => niceStep(max, steps) * Math.max(1, Math.ceil(max / niceStep(max, steps) - 0.001));

const MARGIN = { left: 46, right: 10, top: 8, bottom: 22 };

// Frame, grid and time axis; x and y of values, and the group to draw into.
function frame(holder, begin, end, max, height, label) {
  const width = Math.max(240, holder.clientWidth),
    right = width - MARGIN.right,
    bottom = height - MARGIN.bottom;
  const root = svg('svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label });
  const x = (t) => MARGIN.left + ((t - begin) / (end - begin || 1)) * (right - MARGIN.left);
  const y = (v) => bottom - (v / (max || 1)) * (bottom - MARGIN.top);
  for (let v = 0; v <= max; v += niceStep(max, height > 150 ? 4 : 2)) {
    root.append(
      svg('line', { class: v ? 'grid' : 'axis', x1: MARGIN.left, x2: right, y1: y(v), y2: y(v) }),
      svg('text', { x: MARGIN.left - 7, y: y(v) + 4, 'text-anchor': 'end' }, short(v))
    );
  }
  const room = end - begin >= 864e5 * 3 ? 90 : 72,
    want = (end - begin) / Math.max(2, (right - MARGIN.left) / room);
  const step = TICKS.find((t) => t >= want) || TICKS[TICKS.length - 1];
  for (let t = Math.ceil(begin / step) * step; t <= end; t += step) {
    if (x(t) > right - 18 || x(t) < MARGIN.left + 12) continue;
    root.append(
      svg('line', { class: 'axis', x1: x(t), x2: x(t), y1: bottom, y2: bottom + 4 }),
      svg(
        'text',
        { x: x(t), y: bottom + 17, 'text-anchor': 'middle' },
        step >= 864e5 ? day(t) : t % 864e5 === 0 ? day(t).slice(5) : clock(t, step)
      )
    );
  }
  holder.replaceChildren(root);
  return { root, x, y, right, bottom, left: MARGIN.left };
}

// The bin under the pointer: a line there, and what `rows` says of it.
function follow(f, bins, rows) {
  const cursor = svg('line', { class: 'cursor', y1: MARGIN.top, y2: f.bottom, visibility: 'hidden' });
  const area = svg('rect', {
    x: f.left,
    y: 0,
    width: Math.max(0, f.right - f.left),
    height: f.bottom,
    fill: 'transparent',
  });
  const leave = () => {
    cursor.setAttribute('visibility', 'hidden');
    hideTip();
  };
  area.addEventListener('pointerleave', leave);
  area.addEventListener('pointermove', (event) => {
    const box = f.root.getBoundingClientRect(),
      px = event.clientX - box.left;
    const i = Math.min(bins.len - 1, Math.max(0, Math.floor(((px - f.left) / (f.right - f.left)) * bins.len)));
    const t = bins.start + i * bins.width,
      at = f.x(t + bins.width / 2);
    for (const k of ['x1', 'x2']) cursor.setAttribute(k, at);
    cursor.setAttribute('visibility', 'visible');
    showTip(event, `${day(t)} ${clock(t, bins.width)} UTC, ${span(bins.width * 1e6)}`, rows(i));
  });
  f.root.append(cursor, area);
}

const SUMS = [...OUTCOMES, 'lost', 'dropped', 'wouldDrop'];

// A timeline without the bins that end before a moment.
function since(line, names, moment) {
  const cut = Math.min(line.len, Math.max(0, Math.floor((moment - line.start) / line.width)));
  const out = { ...line, start: line.start + cut * line.width, len: line.len - cut };
  for (const name of names) out[name] = line[name].slice(cut);
  return out;
}

// Outcomes as stacked bars; lost events as red marks above them.
function drawOutcomes(holder, line, hidden) {
  const shown = OUTCOMES.filter((o) => !hidden.has(o));
  const bins = rebin(line, SUMS, Math.max(24, Math.floor(holder.clientWidth / 9)), true);
  const total = Array.from({ length: bins.len }, (_, i) => shown.reduce((sum, o) => sum + bins[o][i], 0));
  const end = bins.start + bins.len * bins.width;
  const f = frame(holder, bins.start, end, niceMax(Math.max(1, ...total), 4), 240, 'Connections by outcome over time');
  const step = (f.right - f.left) / bins.len,
    gap = step > 4 ? 1 : 0;
  for (let i = 0; i < bins.len; i++) {
    let base = 0;
    const x = f.x(bins.start + i * bins.width);
    for (const o of shown) {
      if (!bins[o][i]) continue;
      const top = f.y(base + bins[o][i]),
        height = f.y(base) - top;
      f.root.append(
        svg('rect', {
          x,
          y: top,
          width: Math.max(1, Math.min(step - gap, 60)),
          height: Math.max(0.7, height),
          fill: colorOf(o),
        })
      );
      base += bins[o][i];
    }
    if (bins.lost[i])
      f.root.append(
        svg('rect', { class: 'lost', x, y: 0, width: Math.max(2, step - gap), height: 5, fill: colorOf('loss') })
      );
  }
  follow(f, bins, (i) => [
    ...shown.filter((o) => bins[o][i]).map((o) => [colorOf(o), o, count(bins[o][i])]),
    ...(bins.lost[i] ? [[colorOf('loss'), 'lost events', count(bins.lost[i])]] : []),
    ...(bins.dropped[i] ? [[null, 'packets dropped', count(bins.dropped[i])]] : []),
    ...(bins.wouldDrop[i] ? [[null, 'would have been dropped', count(bins.wouldDrop[i])]] : []),
  ]);
}

// One value over time as an area; where nothing is known the line has a gap, and a single value is a point.
function series(f, bins, name, color, area) {
  const mid = (i) => f.x(bins.start + (i + 0.5) * bins.width);
  let run = [];
  const flush = () => {
    if (run.length) {
      const points = run.map((i) => `${mid(i).toFixed(1)},${f.y(bins[name][i]).toFixed(1)}`);
      if (area && run.length > 1)
        f.root.append(
          svg('path', {
            d: `M${mid(run[0])},${f.y(0)} L${points.join(' ')} L${mid(run[run.length - 1])},${f.y(0)}Z`,
            fill: color,
            opacity: 0.13,
          })
        );
      if (run.length > 1)
        f.root.append(
          svg('polyline', {
            points: points.join(' '),
            fill: 'none',
            stroke: color,
            'stroke-width': 1.8,
            'stroke-linejoin': 'round',
          })
        );
      if (run.length < 40)
        for (const i of run) f.root.append(svg('circle', { cx: mid(i), cy: f.y(bins[name][i]), r: 2.4, fill: color }));
    }
    run = [];
  };
  // lines come each --interval: some empty bins between two of them are no gap
  const known = bins[name].map((v, i) => (v === null ? -1 : i)).filter((i) => i >= 0);
  const usual = known
    .slice(1)
    .map((v, i) => v - known[i])
    .sort((a, b) => a - b);
  const most = 3 * (usual[Math.floor(usual.length / 2)] || 1);
  known.forEach((at, i) => {
    if (i && at - known[i - 1] > most) flush();
    run.push(at);
  });
  flush();
}

function threshold(f, value, max, color) {
  if (!value || value > max) return;
  f.root.append(
    svg('line', {
      x1: f.left,
      x2: f.right,
      y1: f.y(value),
      y2: f.y(value),
      stroke: color,
      'stroke-width': 1.2,
      'stroke-dasharray': '5 4',
    })
  );
}

// States from the changes: what was before the first one is its `from`. What came after the last one that is kept is
// not known if there were more.
function statesOf(service, begin, end) {
  const out = [],
    changes = [...service.changes].sort((a, b) => a.at - b.at);
  let at = begin,
    state = changes.length ? changes[0].from : service.state;
  for (const c of changes) {
    out.push({ state, begin: at, end: c.at });
    at = c.at;
    state = c.to;
  }
  if (!service.changesMore) out.push({ state, begin: at, end });
  return out.filter((s) => s.end > s.begin);
}

// Behind the lines what is not calm, and all states as a stripe at the foot.
function bands(f, states) {
  const band = (s, y, height, opacity) =>
    svg('rect', {
      class: `state ${s.state}`,
      x: f.x(s.begin),
      y,
      width: Math.max(1.5, f.x(s.end) - f.x(s.begin)),
      height,
      fill: colorOf(s.state),
      opacity,
    });
  const known = states.filter((s) => ['calm', 'engaged', 'grace'].includes(s.state));
  return [
    ...known.filter((s) => s.state !== 'calm').map((s) => band(s, MARGIN.top, f.bottom - MARGIN.top, 0.2)),
    ...known.map((s) => band(s, f.bottom, 4, 1)),
  ];
}

function drawGuard(holders, service, begin, end) {
  const names = ['halfOpen', 'synRate', 'completedRate'];
  const bins = rebin(service.line, names, Math.max(40, Math.floor(holders[0].clientWidth / 5)), false);
  const states = statesOf(service, begin, end),
    top = (name) => Math.max(0, ...bins[name].map((v) => v ?? 0));
  const draw = (holder, label, list, mark) => {
    let max = Math.max(...list.map(([name]) => top(name)));
    if (mark && mark < 4 * max) max = Math.max(max, mark);
    max = niceMax(Math.max(2, max), 2);
    const f = frame(holder, begin, end, max, 132, label);
    f.root.prepend(...bands(f, states));
    threshold(f, mark, max, list[0][1]);
    for (const [name, color] of list) series(f, bins, name, color, name !== 'completedRate');
    followTimes(f, bins, begin, end, list, states);
  };
  draw(holders[0], 'Half-open handshakes', [['halfOpen', colorOf('closed'), 'half-open']], service.halfOpenThreshold);
  draw(
    holders[1],
    'SYNs a second',
    [
      ['synRate', colorOf('syn'), 'SYNs a second'],
      ['completedRate', colorOf('done'), 'completed a second'],
    ],
    service.synRateThreshold
  );
}

// The service's bins may be fewer than the time that is shown.
function followTimes(f, bins, begin, end, list, states) {
  const all = { start: begin, width: bins.width, len: Math.max(1, Math.round((end - begin) / bins.width)) };
  follow(f, all, (i) => {
    const t = begin + (i + 0.5) * bins.width,
      at = Math.floor((t - bins.start) / bins.width);
    const state = states.find((s) => s.begin <= t && t < s.end);
    return [
      ...(state ? [[colorOf(state.state), 'state', state.state]] : []),
      ...list
        .filter(([name]) => (bins[name][at] ?? null) !== null)
        .map(([name, color, label]) => [color, label, count(bins[name][at])]),
    ];
  });
}

// Median, 90th and 99th percentile and maximum on a logarithmic axis that all rows share.
function drawRange(p, low, high) {
  const x = (v) =>
    `${(4 + (92 * (Math.log(Math.max(v, low)) - Math.log(low))) / (Math.log(high) - Math.log(low) || 1)).toFixed(2)}%`;
  const bar = (from, to, height, opacity) =>
    svg('line', {
      x1: x(from),
      x2: x(to),
      y1: 9,
      y2: 9,
      stroke: colorOf('closed'),
      'stroke-width': height,
      'stroke-linecap': 'round',
      opacity,
    });
  return svg(
    'svg',
    { height: 18, role: 'img', 'aria-label': `median ${span(p[0])}, 99 % ${span(p[2])}` },
    svg('line', { class: 'grid', x1: '0%', x2: '100%', y1: 9, y2: 9 }),
    bar(p[2], p[3], 1.5, 0.5),
    bar(p[0], p[2], 7, 0.3),
    bar(p[0], p[1], 7, 0.55),
    svg('circle', { cx: x(p[0]), cy: 9, r: 4.5, fill: colorOf('closed') }),
    svg('line', { x1: x(p[3]), x2: x(p[3]), y1: 5, y2: 13, stroke: colorOf('closed'), 'stroke-width': 1.5 })
  );
}
