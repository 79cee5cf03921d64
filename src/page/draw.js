// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Elements, and how numbers are written. Text from the lines becomes text nodes only: no markup is ever made of it.
'use strict';

const OUTCOMES = ['closed', 'reset', 'refused', 'unanswered', 'timeout', 'other'];
const OUTCOME_OF = {
  fin: 'closed',
  reset: 'reset',
  aborted: 'reset',
  refused: 'refused',
  unanswered: 'unanswered',
  timeout: 'timeout',
};
const outcomeOf = (reason) => (Object.hasOwn(OUTCOME_OF, reason) ? OUTCOME_OF[reason] : 'other');
const colorOf = (name) => `var(--${name})`;

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === 'on') for (const [event, call] of Object.entries(value)) node.addEventListener(event, call);
    else if (key === 'vars') for (const [name, v] of Object.entries(value)) node.style.setProperty(name, v);
    else node.setAttribute(key, value === true ? '' : value);
  }
  for (const child of children.flat(2)) if (child !== null && child !== undefined) node.append(child);
  return node;
}
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
// head: the cells of its heading; rows: elements.
const grid = (head, rows) => el('table', null, el('thead', null, el('tr', null, head)), el('tbody', null, rows));
const byId = (id) => document.getElementById(id);
const dot = (color, dashed) => el('span', { class: dashed ? 'dot dashed' : 'dot', vars: { '--c': color } });

// An object that has a toString of its own cannot be written as it is.
const plain = (v) =>
  Array.isArray(v) ? v.map(plain).join() : v !== null && typeof v === 'object' ? JSON.stringify(v) : v;
const count = (n) => n.toLocaleString('en-US');
const plural = (n, what) => `${count(n)} ${what}${n === 1 ? '' : 's'}`;
const digits = (v) => (v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v.toFixed(2));

function short(n) {
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ])
    if (n >= size) return `${+digits(n / size)}${unit}`;
  return `${+digits(n)}`;
}
function span(ns) {
  if (ns === null || ns === undefined) return '–';
  for (const [unit, size] of [
    ['s', 1e9],
    ['ms', 1e6],
    ['µs', 1e3],
  ])
    if (ns >= size * 0.9995) return longSpan(ns) || `${digits(ns / size)} ${unit}`;
  return `${ns} ns`;
}
function longSpan(ns) {
  const s = Math.round(ns / 1e9);
  if (s < 120) return null;
  if (s < 7200) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}
function bytes(n) {
  if (typeof n !== 'number') return '–';
  for (const [unit, size] of [
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ])
    if (n >= size) return `${digits(n / size)} ${unit}`;
  return `${n} B`;
}
function percent(part, all) {
  const p = all ? (100 * part) / all : 0;
  return p === 0 ? '0 %' : p < 0.1 ? '<0.1 %' : p > 99.9 && p < 100 ? '>99.9 %' : `${p.toFixed(p < 10 ? 1 : 0)} %`;
}

// Times are UTC, as in the lines.
const iso = (ms) => (Number.isFinite(ms) && Math.abs(ms) < 8e15 ? new Date(ms).toISOString() : '');
const day = (ms) => iso(ms).slice(0, 10);
const clock = (ms, width) => iso(ms).slice(11, width >= 60000 ? 16 : width >= 1000 ? 19 : 23);
const moment = (ms) => `${day(ms)} ${clock(ms, 1000)}`;
const endpoint = (ip, port) => `${String(ip).includes(':') ? `[${ip}]` : ip}:${port}`;

const tip = byId('tip');
function showTip(event, title, rows) {
  tip.replaceChildren(
    el('div', { class: 'soft' }, title),
    el(
      'table',
      null,
      el(
        'tbody',
        null,
        rows.map(([color, name, value]) =>
          el('tr', null, el('td', null, color ? dot(color) : null, name), el('td', null, value))
        )
      )
    )
  );
  tip.hidden = false;
  const width = tip.offsetWidth,
    left = event.pageX + 14;
  tip.style.left = `${Math.max(6, left + width > document.documentElement.clientWidth - 6 ? event.pageX - width - 14 : left)}px`;
  tip.style.top = `${event.pageY + 14}px`;
}
const hideTip = () => {
  tip.hidden = true;
};

// What synward counted.
const data = JSON.parse(byId('data').textContent);
const section = (id) => byId(id).querySelector('.body');
const sum = (list) => list.reduce((a, b) => a + b, 0);
const names = (list) => list.list.map(([name]) => name).join(', ') + (list.other ? ', …' : '');
const conns = sum(data.outcomes);
