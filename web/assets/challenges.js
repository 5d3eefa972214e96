// The latest challenges: each picture as the miners saw it and every answer.
import { t } from './text.js';
import { ago, el, icon, ms, score } from './dom.js';

export function challenge(c) {
  const right = c.answers.filter(a => a.right).length;
  const label = t('dashboard.label_' + c.label);
  const picture = c.image_url
    ? el('img', { src: c.image_url, alt: t('dashboard.picture_alt', { seq: c.seq, label }), loading: 'lazy', decoding: 'async', on: { error: event => event.target.replaceWith(el('span', { class: 'no-picture' })) } })
    : el('span', { class: 'no-picture' });
  return el('li', { class: 'card challenge', 'data-id': c.id },
    el('div', { class: 'frame' }, picture, el('span', { class: 'chip ' + c.label }, label)),
    el('div', { class: 'about' },
      el('p', {}, el('b', {}, c.source), ' ', el('span', { class: 'soft' }, '#' + c.seq)),
      el('p', { class: 'soft small' }, t('dashboard.at_block', { block: c.block }), ' · ', el('time', { datetime: c.time, 'data-ago': '' }, t('dashboard.block_age', { age: ago(Date.now() - new Date(c.time)) })), ' · ', t('dashboard.uid', { uid: c.validator })),
      el('p', { class: 'soft small' }, c.transforms?.length ? t('dashboard.transforms', { list: c.transforms.join(', ') }) : t('dashboard.untouched')),
      strip(c.answers),
      el('details', {}, el('summary', {}, t('dashboard.right_of', { right, n: c.answers.length })), answers(c.answers))));
}

// strip places each answer on the line from real to AI.
function strip(list) {
  const answered = list.filter(a => a.prediction !== undefined && a.prediction !== null);
  if (!answered.length) return null;
  return el('div', { class: 'strip', role: 'img', 'aria-label': answered.map(a => t('dashboard.answer_label', { uid: a.uid, prediction: score(a.prediction), right: t(a.right ? 'dashboard.right' : 'dashboard.wrong') })).join('; ') },
    answered.map(a => el('i', { class: a.right ? 'right' : 'wrong', style: { '--at': a.prediction } })));
}

function answers(list) {
  return el('table', { class: 'answers' }, el('tbody', {}, list.map(a => el('tr', {},
    el('th', { scope: 'row' }, el('a', { href: '#miner/' + a.uid }, t('dashboard.uid', { uid: a.uid }))),
    a.prediction === undefined || a.prediction === null
      ? el('td', { colspan: 2, class: 'soft' }, a.error || t('dashboard.no_answer'), a.status ? ` (${a.status})` : '')
      : [el('td', { class: 'number' }, score(a.prediction)), el('td', { class: a.right ? 'good' : 'bad' }, icon(a.right ? 'real' : 'error'), ' ', t(a.right ? 'dashboard.right' : 'dashboard.wrong'))],
    el('td', { class: 'number soft' }, a.latency_ms ? ms(a.latency_ms) : '')))));
}
