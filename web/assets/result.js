// The card of one picture: what is being done with it, or what came of it.
import { t } from './text.js';
import { clock, el, icon } from './dom.js';
import { progressText } from './many.js';
import { pictureFigure } from './heatmap.js';
import { dots, fact, scale, why } from './verdict.js';
import { actions } from './actions.js';
import { details, detectors, network, robustness } from './details.js';
import { provenance } from './provenance.js';

// resultCard returns {node, update}: the card, and what moves its progress.
export function resultCard(item, does) {
  if (item.state === 'done') return { node: answer(item, does) };
  if (['failed', 'cancelled', 'interrupted', 'gone'].includes(item.state)) return { node: failure(item, does) };
  return underWay(item, does);
}

function underWay(item, does) {
  const text = el('p', { class: 'stage' });
  const bar = el('progress', { max: 1, 'aria-label': t('progress.label', { name: item.name }) });
  const update = () => {
    text.textContent = progressText(item);
    // While a picture is looked at nobody knows how long it takes.
    if (item.state === 'sending' && item.part > 0) bar.value = item.part; else bar.removeAttribute('value');
  };
  update();
  const node = el('article', { class: 'card answer busy', 'aria-busy': 'true' },
    pictureFigure(item),
    el('div', { class: 'said' }, el('h2', { class: 'name' }, item.name), text, bar,
      el('p', { class: 'buttons' }, el('button', { type: 'button', class: 'button quiet', on: { click: () => does.cancel(item) } }, t('progress.cancel')))));
  return { node, update };
}

function failure(item, does) {
  const words = {
    failed: () => [item.problem.title, item.problem.what, item.problem.hint && t('errors.try', { hint: item.problem.hint })],
    cancelled: () => [t('progress.cancelled'), ''],
    interrupted: () => [t('result.interrupted_title'), t('result.interrupted')],
    gone: () => [t('result.gone_title'), t('result.gone')],
  };
  const [title, ...lines] = words[item.state]();
  const again = item.file?.size || item.source === 'url';
  return el('article', { class: 'card answer failure' },
    pictureFigure(item),
    el('div', { class: 'said' },
      el('h2', { class: 'verdict failed' }, icon('error'), title),
      item.name && el('p', { class: 'name soft' }, item.name),
      lines.filter(Boolean).map(line => el('p', {}, line)),
      again && el('p', { class: 'buttons' }, el('button', { type: 'button', class: 'button', on: { click: () => does.again(item) } }, t('result.again')))));
}

function answer(item, does) {
  const d = item.detection;
  const info = does.models.find(m => m.name === d.model?.name) ?? {};
  const figure = pictureFigure(item, { where: info.heatmap && item.file && !d.heatmap ? () => does.where(item) : null });
  const truth = item.truth && el('p', { class: 'truth' }, t('samples.truth_' + item.truth.label, { source: item.truth.source }), ' ', el('span', { class: 'soft' }, t('samples.licence', { licence: item.truth.licence })));
  const head = el('div', { class: 'said' },
    el('p', { class: 'name soft' }, item.name, item.restored && ` · ${t('result.restored')}`),
    headline(d),
    d.bands && d.score !== undefined && scale(d.score, d.bands),
    el('p', { class: 'means' }, t('verdict.' + d.verdict + '_means')),
    d.score !== undefined && fact(d, info.reference),
    truth,
    d.warnings?.length ? el('div', { class: 'callout' }, el('h3', {}, icon('warn'), t('warnings.title')), el('ul', {}, d.warnings.map(w => el('li', {}, w.text)))) : null,
    !d.media?.width && el('p', { class: 'soft' }, t('result.hash_only')));
  return el('article', { class: 'card answer ' + d.verdict },
    el('div', { class: 'answer-top' }, figure, head),
    blocks(d, info),
    actions(item, does));
}

// headline is the verdict in words and, smaller, how sure it is.
export function headline(d) {
  return el('div', { class: 'verdict-line' },
    el('h2', { class: 'verdict ' + d.verdict }, icon(d.verdict), t('verdict.' + d.verdict)),
    d.confidence && el('p', { class: 'confidence' }, d.confidence[0].toUpperCase() + d.confidence.slice(1)));
}

// sharedCard is the same without the picture and without what only its owner can do.
export function sharedCard(d, models) {
  const info = models.find(m => m.name === d.model?.name) ?? {};
  return el('article', { class: 'card answer shared ' + d.verdict },
    el('div', { class: 'said' }, el('p', { class: 'soft' }, clock(d.created_at)), headline(d), d.bands && scale(d.score, d.bands),
      el('p', { class: 'means' }, t('verdict.' + d.verdict + '_means')),
      d.warnings?.length ? el('div', { class: 'callout' }, el('h3', {}, icon('warn'), t('warnings.title')), el('ul', {}, d.warnings.map(w => el('li', {}, w.text)))) : null),
    blocks(d, info));
}

// blocks are the parts of an answer below its verdict: what the score is worth, and
// what else is known.
function blocks(d, info) {
  return el('div', { class: 'answer-grid' },
    el('div', {}, d.score !== undefined && dots(d, info.reference), why(d), robustness(d), detectors(d)),
    el('div', {}, d.provenance && provenance(d.provenance), network(d), details(d)));
}
