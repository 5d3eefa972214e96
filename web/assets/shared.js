// An answer that somebody shares.
import { t } from './text.js';
import { $, el } from './dom.js';
import { get } from './api.js';
import { sharedCard } from './result.js';

const token = location.pathname.split('/').pop();

async function show() {
  const d = await get('/v1/shared/' + encodeURIComponent(token));
  const models = await get('/v1/models').then(m => m.items, () => []); // its figures are an extra
  $('result').replaceChildren(sharedCard(d, models));
}

show().catch(error => $('result').replaceChildren(el('p', { class: 'card failure-note' }, error.status === 404 ? t('share.gone') : error.what ?? error.message)));
