// A detector's model card: the API's Markdown made readable.
import { t } from './text.js';
import { $, el, score } from './dom.js';
import { get, getText } from './api.js';
import { markdown } from './markdown.js';

const wanted = decodeURIComponent(location.pathname.split('/').pop());

async function show() {
  const { items } = await get('/v1/models');
  const model = items.find(m => wanted === 'default' ? m.default : m.name === wanted);
  if (!model) { $('card-state').textContent = t('card.missing'); return; }
  document.title = `${model.name} · ${t('card.title')}`;
  $('card-name').textContent = `${t('card.title')}: ${model.name}`;
  if (items.length > 1) {
    $('card-choices').replaceChildren(...items.map(m => el('a', { class: 'button small', href: '/models/' + encodeURIComponent(m.name), 'aria-current': m === model ? 'page' : null }, m.name)));
  }
  const facts = {
    version: model.version, architecture: model.architecture, licence: model.licence, training_data: model.training_data,
    bands: t('card.bands', { low: score(model.bands.real_below), high: score(model.bands.ai_above) }), sha256: model.sha256 && el('code', {}, model.sha256),
  };
  $('card-facts').replaceChildren(...Object.entries(facts).filter(([, value]) => value).flatMap(([name, value]) => [el('dt', {}, t('card.facts.' + name)), el('dd', {}, value)]));
  if (!model.card_url) { $('card-state').textContent = t('card.none'); return; }
  // The page's own heading says what the card's first line does.
  $('card').replaceChildren(...markdown((await getText(model.card_url)).replace(/^# .*\n/, '')));
  $('card').hidden = false;
  $('card-state').textContent = '';
}

show().catch(error => { $('card-state').textContent = error.what ?? error.message; });
