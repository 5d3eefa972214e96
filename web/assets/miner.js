// All about one miner.
import { t } from './text.js';
import { ago, clock, count, el, icon, ms, percent, score } from './dom.js';
import { stateTag } from './leaderboard.js';
import { calibration, overTime } from './charts.js';

const part = (title, note, ...children) => el('section', { class: 'card part' }, el('h2', {}, title), note && el('p', { class: 'soft' }, note), children);

export function minerPage(m) {
  const chart = el('div');
  const page = el('div', { class: 'miner' },
    back(),
    el('div', { class: 'title' }, el('div', {}, el('h1', {}, t('miner.title', { uid: m.uid })), el('p', { class: 'soft' }, stateTag(m.state), m.detector && ` · ${m.detector}`))),
    el('dl', { class: 'keys' }, el('dt', {}, t('miner.hotkey')), el('dd', {}, el('code', {}, m.hotkey)), m.coldkey && [el('dt', {}, t('miner.coldkey')), el('dd', {}, el('code', {}, m.coldkey))]),
    el('div', { class: 'figures' },
      figure(t('dashboard.columns.rank'), String(m.rank)),
      figure(t('dashboard.columns.accuracy'), m.window ? percent(m.accuracy) + ' %' : '–', m.window ? t('miner.between', { value: percent(m.accuracy), low: percent(m.accuracy_low), high: percent(m.accuracy_high) }) : ''),
      figure(t('dashboard.columns.score'), m.score.toFixed(3)),
      figure(t('dashboard.columns.incentive'), m.incentive.toFixed(3)),
      figure(t('miner.latency'), m.answered ? ms(m.latency?.p50_ms ?? m.latency_ms) : '–', m.latency ? t('miner.nine', { time: ms(m.latency.p90_ms) }) + ', ' + t('miner.most', { time: ms(m.latency.p99_ms) }) : '')),
    m.history?.length > 1 && part(t('miner.history'), '', chart),
    el('div', { class: 'two' },
      m.by_source?.length ? part(t('miner.by_source'), t('miner.by_source_note'), sources(m.by_source)) : null,
      m.confusion && part(t('miner.confusion'), '', confusion(m.confusion)),
      m.calibration?.length ? part(t('miner.calibration'), t('miner.calibration_note'), calibration(m.calibration)) : null,
      m.errors && Object.keys(m.errors).length ? part(t('miner.errors'), '', el('ul', { class: 'pool-list' }, Object.entries(m.errors).map(([kind, n]) => el('li', {}, el('span', { class: 'source' }, kind), el('span'), el('span', { class: 'number' }, count(n)))))) : null),
    part(t('miner.recent'), '', m.recent?.length ? recent(m.recent) : el('p', { class: 'empty soft' }, t('miner.nothing'))));
  if (m.history?.length > 1) {
    // uPlot measures its place, so it must be on the page.
    queueMicrotask(() => overTime(chart, m.history.map(p => p.block), [
      { name: t('miner.score'), values: m.history.map(p => p.score) }, { name: t('miner.incentive'), values: m.history.map(p => p.incentive) }]));
  }
  return page;
}

export const missingMiner = uid => el('div', {}, back(), el('p', { class: 'card none' }, t('miner.missing', { uid })));

const back = () => el('p', {}, el('a', { href: '#' }, '← ' + t('miner.back')));

export const figure = (name, value, note, extra) => el('div', { class: 'card figure' }, el('div', {}, el('p', { class: 'figure-name' }, name), el('p', { class: 'figure-value' }, value), note && el('p', { class: 'soft small' }, note)), extra);

function sources(list) {
  return el('ul', { class: 'pool-list wide' }, list.map(s => el('li', { class: s.label },
    el('span', { class: 'source' }, s.source, ' ', el('span', { class: 'chip ' + s.label }, t('dashboard.label_' + s.label))),
    el('span', { class: 'meter', 'aria-hidden': 'true', style: { '--part': s.accuracy } }, el('i')),
    el('span', { class: 'number' }, `${percent(s.accuracy)} % `, el('span', { class: 'soft small' }, `${s.right}/${s.answered}`)))));
}

function confusion(c) {
  const all = Math.max(1, c.ai_is_ai, c.ai_is_real, c.real_is_real, c.real_is_ai);
  const cell = (n, right) => el('td', { class: 'number ' + (right ? 'right' : 'wrong'), style: { '--part': n / all } }, count(n));
  return [
    el('table', { class: 'confusion' },
      el('thead', {}, el('tr', {}, el('td'), el('th', { scope: 'col', class: 'number' }, t('miner.was_ai')), el('th', { scope: 'col', class: 'number' }, t('miner.was_real')))),
      el('tbody', {},
        el('tr', {}, el('th', { scope: 'row' }, t('miner.said_ai')), cell(c.ai_is_ai, true), cell(c.ai_is_real, false)),
        el('tr', {}, el('th', { scope: 'row' }, t('miner.said_real')), cell(c.real_is_ai, false), cell(c.real_is_real, true)))),
    c.no_answer > 0 && el('p', { class: 'soft small' }, t('miner.no_answer', { n: c.no_answer })),
  ];
}

function recent(list) {
  return el('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': t('miner.recent') }, el('table', {},
    el('thead', {}, el('tr', {}, ['time', 'label', 'source', 'said', 'latency'].map(c => el('th', { scope: 'col', class: c === 'said' || c === 'latency' ? 'number' : null }, t('miner.columns.' + c))))),
    el('tbody', {}, list.map(a => el('tr', {},
      el('td', { title: clock(a.time) }, t('dashboard.block_age', { age: ago(Date.now() - new Date(a.time)) })),
      el('td', {}, el('span', { class: 'chip ' + a.label }, t('dashboard.label_' + a.label))),
      el('td', {}, a.source),
      a.prediction === undefined || a.prediction === null
        ? el('td', { class: 'number soft' }, a.error || t('dashboard.no_answer'))
        : el('td', { class: 'number ' + (a.right ? 'good' : 'bad') }, score(a.prediction), ' ', icon(a.right ? 'real' : 'error'), el('span', { class: 'hidden' }, t(a.right ? 'dashboard.right' : 'dashboard.wrong'))),
      el('td', { class: 'number' }, a.latency_ms ? ms(a.latency_ms) : '–'))))));
}
