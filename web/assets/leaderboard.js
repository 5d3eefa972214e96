// The miners, best paid first; on a phone each row is a card.
import { t } from './text.js';
import { ago, count, el, ms, percent } from './dom.js';
import { sparkline } from './charts.js';

const columns = ['rank', 'miner', 'state', 'accuracy', 'trend', 'score', 'incentive', 'latency', 'seen'];
const numbers = new Set(['rank', 'score', 'incentive', 'latency', 'seen']);

export function leaderboard(miners) {
  if (!miners.length) return el('p', { class: 'empty soft' }, t('dashboard.no_miners'));
  return el('table', { class: 'miners' },
    el('thead', {}, el('tr', {}, columns.map(c => el('th', { scope: 'col', class: numbers.has(c) ? 'number' : null }, t('dashboard.columns.' + c))))),
    el('tbody', {}, miners.map(m => el('tr', { class: m.state }, columns.map(c => el(c === 'miner' ? 'th' : 'td', { scope: c === 'miner' ? 'row' : null, class: 'c-' + c + (numbers.has(c) ? ' number' : ''), 'data-label': t('dashboard.columns.' + c) }, cells[c](m)))))));
}

const cells = {
  rank: m => String(m.rank),
  miner: m => el('div', { class: 'who' },
    el('a', { href: '#miner/' + m.uid }, t('dashboard.uid', { uid: m.uid })),
    el('span', { class: 'soft small' }, m.detector || short(m.hotkey))),
  state: m => stateTag(m.state),
  accuracy: m => m.window ? [accuracyBar(m), el('span', { class: 'soft small' }, t('dashboard.answers', { n: m.window }))] : '–',
  trend: m => m.trend?.length > 1 ? sparkline(m.trend, t('dashboard.trend_label', { first: percent(m.trend[0]), last: percent(m.trend.at(-1)) })) : '–',
  score: m => m.score.toFixed(3),
  incentive: m => [m.incentive.toFixed(3), el('span', { class: 'meter', 'aria-hidden': 'true', style: { '--part': m.incentive } }, el('i'))],
  latency: m => m.answered ? ms(m.latency_ms) : '–',
  seen: m => m.last_seen ? el('time', { datetime: m.last_seen, 'data-ago': '' }, t('dashboard.block_age', { age: ago(Date.now() - new Date(m.last_seen)) })) : t('dashboard.never'),
};

export const short = key => key.length > 14 ? key.slice(0, 6) + '…' + key.slice(-4) : key;

export const stateTag = state => el('span', { class: 'state ' + state, title: t('dashboard.states_long.' + state) }, el('i', { 'aria-hidden': 'true' }), t('dashboard.states.' + state));

// accuracyBar shows a share and the range that it lies in.
export function accuracyBar(m) {
  return el('span', { class: 'accuracy-cell' },
    el('b', {}, percent(m.accuracy) + ' %'),
    el('span', { class: 'whisker', role: 'img', 'aria-label': t('dashboard.accuracy_label', { value: percent(m.accuracy), low: percent(m.accuracy_low), high: percent(m.accuracy_high) }), style: { '--low': m.accuracy_low, '--high': m.accuracy_high, '--at': m.accuracy } }, el('i'), el('b')));
}

// pools shows the sources of pictures with their sizes.
export function pools(list) {
  const most = Math.max(1, ...list.map(p => p.images));
  return ['real', 'ai'].map(label => {
    const some = list.filter(p => p.label === label).sort((a, b) => b.images - a.images);
    if (!some.length) return null;
    return el('div', { class: 'pool-group' }, el('h3', {}, el('span', { class: 'chip ' + label }, t('dashboard.label_' + label)), el('span', { class: 'soft small' }, t('dashboard.images', { n: count(some.reduce((n, p) => n + p.images, 0)) }))),
      el('ul', { class: 'pool-list' }, some.map(p => el('li', { class: label }, el('span', { class: 'source' }, p.source), el('span', { class: 'meter', 'aria-hidden': 'true', style: { '--part': p.images / most } }, el('i')), el('span', { class: 'number' }, count(p.images))))));
  });
}
