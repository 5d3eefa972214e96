// The score and what it means: on its scale, among pictures of known kind, and how
// far the verdict is from another one.
import { t } from './text.js';
import { el, score } from './dom.js';

export const verdictOf = (s, bands) => s > bands.ai_above ? 'ai' : s < bands.real_below ? 'real' : 'unsure';

// scale is the line from 0 to 1 with the three bands and the score on it.
export function scale(s, bands) {
  const single = bands.real_below >= bands.ai_above; // one limit in place of two
  const edge = Math.min(0.97, Math.max(0.03, s)); // the pin's label stays on the card
  return el('div', { class: 'scale', role: 'img', 'aria-label': t('scale.label', { score: score(s), low: score(bands.real_below), high: score(bands.ai_above) }),
    style: { '--s': s, '--edge': edge, '--low': bands.real_below, '--high': bands.ai_above } },
    el('div', { class: 'pin-label ' + verdictOf(s, bands) }, score(s)),
    el('div', { class: 'bands' }, el('i', { class: 'real' }), single ? null : el('i', { class: 'unsure' }), el('i', { class: 'ai' }), el('b', { class: 'pin' })),
    el('div', { class: 'names' }, el('span', { class: 'real' }, t('scale.real')), single ? null : el('span', { class: 'unsure' }, t('scale.unsure')), el('span', { class: 'ai' }, t('scale.ai'))));
}

// dots says how many of 100 known pictures of each kind score as high, or as low.
export function dots(d, reference) {
  if (!reference) return null;
  const less = d.verdict === 'real';
  const kinds = ['photographs', 'human_art', 'ai'].filter(kind => reference[kind]?.length === 101);
  if (!kinds.length) return null;
  return el('section', { class: 'block reference' },
    el('h3', {}, t('reference.title')),
    el('p', {}, t(less ? 'reference.less' : 'reference.more', { score: score(d.score) })),
    el('ul', { class: 'kinds' }, kinds.map(kind => {
      const share = less ? 1 - atLeast(reference[kind], d.score) : atLeast(reference[kind], d.score);
      const words = ofHundred(share);
      return el('li', {},
        grid(Math.round(100 * share), kind === 'ai' ? 'ai' : 'real', t('reference.dots', { n: words, kind: t('reference.' + kind) })),
        el('p', { 'aria-hidden': 'true' }, el('b', {}, words), ' ', t('reference.' + kind)));
    })),
    reference.data && el('p', { class: 'soft small' }, t('reference.data', { data: reference.data })));
}

// fact is how often the verdict's opposite scores so too, in a sentence.
export function fact(d, reference) {
  const real = d.verdict === 'real', list = reference?.[real ? 'ai' : 'photographs'];
  if (list?.length !== 101) return null;
  return el('p', { class: 'fact' }, real ? t('reference.fact_less', { n: ofHundred(1 - atLeast(list, d.score)) }) : t('reference.fact_more', { n: ofHundred(atLeast(list, d.score)) }));
}

function ofHundred(share) {
  if (share > 0 && share < 0.005) return t('reference.under_one');
  if (share < 1 && share > 0.995) return t('reference.over_99');
  return String(Math.round(100 * share));
}

// atLeast is the share of pictures with a score of at least s, from the list for
// hundredths.
function atLeast(list, s) {
  const at = Math.min(100, Math.max(0, 100 * s)), i = Math.floor(at);
  return i === 100 ? list[100] : list[i] + (at - i) * (list[i + 1] - list[i]);
}

function grid(n, kind, label) {
  const circles = Array.from({ length: 100 }, (_, i) => el('circle', { cx: 5 + 10 * (i % 20), cy: 5 + 10 * Math.floor(i / 20), r: 3.6, class: i < n ? kind : 'none' }));
  return el('svg', { class: 'dots', viewBox: '0 0 200 50', role: 'img', 'aria-label': label }, circles);
}

// why lists what would change the verdict.
export function why(d) {
  if (d.score === undefined || !d.bands) return null;
  const { real_below: low, ai_above: high } = d.bands, s = d.score;
  const lines = [];
  const distance = d.verdict === 'ai' ? s - high : d.verdict === 'real' ? low - s : Math.min(high - s, s - low);
  if (d.verdict === 'ai') lines.push(t('why.above_ai', { distance: score(distance), limit: score(high) }));
  else if (d.verdict === 'real') lines.push(t('why.below_real', { distance: score(distance), limit: score(low) }));
  else lines.push(t('why.between', { up: score(high - s), down: score(s - low) }));
  if (distance < 0.05) lines.push(t('why.narrow'));

  const others = (d.models ?? []).slice(1), differ = others.filter(m => m.verdict !== d.verdict);
  for (const m of differ) lines.push(t('why.models_differ', { name: m.name, verdict: t('verdict.short_' + m.verdict), score: score(m.score) }));
  if (others.length && !differ.length) lines.push(t('why.models_agree', { n: others.length }));

  if (d.robustness) {
    for (const copy of ['half_size', 'jpeg60']) {
      const verdict = verdictOf(d.robustness[copy], d.bands);
      if (verdict !== d.verdict) lines.push(t('why.' + copy, { verdict: t('verdict.short_' + verdict), score: score(d.robustness[copy]) }));
    }
    if (d.robustness.holds) lines.push(t('why.holds'));
  }
  if (d.warnings?.length) lines.push(t('why.warnings'));
  if (d.provenance?.claims?.length) lines.push(t('why.metadata'));
  return el('section', { class: 'block why' }, el('h3', {}, t('why.title')), el('ul', {}, lines.map(line => el('li', {}, line))));
}
