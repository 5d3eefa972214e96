// The examples, one click each. Their own names would tell what they are.
import { t } from './text.js';
import { $, el } from './dom.js';
import { get, getBlob } from './api.js';

export async function showSamples(choose) {
  let items;
  try {
    items = (await get('/v1/samples')).items ?? [];
  } catch {
    return; // a server without examples
  }
  $('samples').hidden = items.length === 0;
  $('samples-list').replaceChildren(...items.map((sample, i) => {
    const name = t('samples.name', { n: i + 1 });
    const button = el('button', { type: 'button', class: 'sample', 'aria-label': t('samples.try', { n: i + 1 }) },
      el('img', { src: sample.url, alt: '', loading: 'lazy', decoding: 'async', on: { error: event => event.target.remove() } }),
      el('span', {}, name));
    button.addEventListener('click', async () => {
      button.disabled = true;
      try {
        choose(sample, new File([await getBlob(sample.url)], name));
      } catch (error) {
        $('live').textContent = error.what;
      } finally {
        button.disabled = false;
      }
    });
    return el('li', {}, button);
  }));
}
