// The smaller parts of an answer: robustness, detectors, the network, the figures.
import { t, maybe } from './text.js';
import { bytes, clock, el, icon, ms, percent, score } from './dom.js';
import { chip } from './many.js';
import { verdictOf } from './verdict.js';

const block = (name, title, ...children) => el('section', { class: 'block ' + name }, el('h3', {}, title), children);

export function robustness(d) {
  const r = d.robustness;
  if (!r || !d.bands) return null;
  const row = (name, s) => el('li', {}, el('span', { class: 'copy' }, t('robustness.' + name)),
    el('span', { class: 'bar', style: { '--s': s }, 'aria-hidden': 'true' }, el('i', { class: verdictOf(s, d.bands) })), el('span', { class: 'number' }, score(s)), chip(verdictOf(s, d.bands)));
  return block('robustness', t('robustness.title'),
    el('ul', { class: 'rows' }, row('as_sent', d.score), row('half_size', r.half_size), row('jpeg60', r.jpeg60)),
    el('p', { class: r.holds ? 'good' : 'bad' }, icon(r.holds ? 'real' : 'warn'), t(r.holds ? 'robustness.holds' : 'robustness.breaks')));
}

export function detectors(d) {
  if (!(d.models?.length > 1)) return null;
  return block('detectors', t('models.title'), el('table', {},
    el('thead', {}, el('tr', {}, ['name', 'verdict', 'score', 'ms'].map(c => el('th', { scope: 'col', class: c === 'score' || c === 'ms' ? 'number' : null }, t('models.' + c))))),
    el('tbody', {}, d.models.map((m, i) => el('tr', {},
      el('th', { scope: 'row' }, el('a', { href: '/models/' + encodeURIComponent(m.name) }, m.name), i === 0 && el('span', { class: 'soft' }, ' ', t('models.decides'))),
      el('td', {}, chip(m.verdict)), el('td', { class: 'number' }, score(m.score)), el('td', { class: 'number' }, ms(m.ms)))))));
}

export function network(d) {
  const n = d.network;
  if (!n) return null;
  return block('network', t('network.title'),
    el('p', {}, t('network.text', { asked: n.asked, answered: n.answered, agreement: percent(n.agreement) })),
    n.uids?.length ? el('p', { class: 'soft' }, t('network.uids', { uids: n.uids.join(', ') })) : null);
}

export function details(d) {
  const rows = [];
  const row = (name, ...value) => rows.push(el('dt', {}, t('details.' + name)), el('dd', {}, value));
  const m = d.media;
  if (m?.width) row('file', t('details.size', { width: m.width, height: m.height, format: m.format.toUpperCase(), bytes: bytes(m.bytes) }));
  if (m?.kind) row('kind', maybe('details.kinds', m.kind));
  if (m?.sha256) row('hash', el('code', {}, m.sha256));
  if (d.model) row('model', el('a', { href: '/models/' + encodeURIComponent(d.model.name) }, `${d.model.name} ${d.model.version ?? ''}`));
  if (d.timing) row('time', Object.keys(d.timing).filter(name => d.timing[name] >= 0.5).map(name => maybe('details.timing', name, '').replace('{ms}', ms(d.timing[name]))).filter(Boolean).join(', '));
  row('id', el('code', {}, d.id));
  row('made', clock(d.created_at));
  return el('section', { class: 'block details' },
    el('details', {}, el('summary', {}, el('h3', {}, t('details.title'))), el('dl', {}, rows),
      el('details', {}, el('summary', {}, t('details.json')), el('pre', { tabindex: 0 }, JSON.stringify(d, (name, value) => name === 'mask' ? undefined : value, 2)))));
}
