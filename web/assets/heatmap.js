// The picture, and over it what moved the score.
import { t } from './text.js';
import { el } from './dom.js';
import { getBlob } from './api.js';

// pictureFigure shows the item's picture or says why it is not shown. where, if
// given, asks for the heatmap.
export function pictureFigure(item, { where = null } = {}) {
  const d = item.detection, heatmap = d?.heatmap;
  const stage = el('div', { class: 'stage-box' });
  if (item.preview) stage.append(el('img', { class: 'picture', src: item.preview.url, alt: t('result.picture_of', { name: item.name }) }));
  else stage.append(placeholder(item));
  if (d?.media?.width && !item.preview) stage.style.setProperty('aspect-ratio', `${d.media.width} / ${d.media.height}`);
  const figure = el('figure', { class: 'shown' }, stage);
  if (heatmap?.url) overlay(figure, stage, heatmap);
  else if (where) figure.append(el('p', { class: 'buttons' }, el('button', { type: 'button', class: 'button', on: { click: where } }, t('heatmap.ask'))));
  return figure;
}

function placeholder(item) {
  let text = '';
  if (item.source === 'url') text = t('result.elsewhere', { host: new URL(item.url).host });
  else if (item.file && item.previewed) {
    const format = item.detection?.media?.format ?? item.name.match(/\.(\w{2,5})$/)?.[1];
    text = item.detection ? t('result.no_preview', { format: (format ?? '').toUpperCase() }) : t('result.no_preview_plain');
  } else if (item.previewed) text = t('result.no_preview_plain');
  return el('div', { class: 'placeholder' },
    el('svg', { viewBox: '0 0 48 48', 'aria-hidden': 'true' }, el('rect', { x: 5, y: 9, width: 38, height: 30, rx: 5 }), el('circle', { cx: 16, cy: 19, r: 3.5 }), el('path', { d: 'M6 34l11-10 8 7 7-6 10 9' })),
    text && el('p', {}, text));
}

// overlay fetches the heatmap, since it may need the key, and lays it over the
// picture under a slider.
async function overlay(figure, stage, heatmap) {
  let blob;
  try {
    blob = await getBlob(heatmap.url);
  } catch {
    figure.append(el('p', { class: 'soft small' }, t('heatmap.gone')));
    return;
  }
  const url = URL.createObjectURL(blob);
  const image = el('img', { class: 'heat', src: url, alt: t('heatmap.alt', { summary: heatmap.summary ?? '' }), on: { load: () => URL.revokeObjectURL(url) } });
  const slider = el('input', { type: 'range', min: 0, max: 100, step: 5, value: 60, 'aria-label': t('heatmap.slider') });
  const show = () => image.style.setProperty('opacity', slider.value / 100);
  slider.addEventListener('input', show);
  show();
  stage.append(image);
  figure.append(
    el('label', { class: 'slider' }, el('span', {}, t('heatmap.off')), slider, el('span', {}, t('heatmap.on'))),
    el('figcaption', {},
      heatmap.summary && el('p', {}, heatmap.summary),
      el('p', { class: 'legend' }, el('span', { class: 'swatch red' }), t('heatmap.raises'), el('span', { class: 'swatch blue' }), t('heatmap.lowers')),
      el('p', { class: 'soft small' }, t('heatmap.by', { model: heatmap.model }))));
}
