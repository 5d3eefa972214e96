// What can be done with an answer: say whether it was right, share, delete, print.
import { t } from './text.js';
import { el, icon } from './dom.js';
import { call } from './api.js';

export function actions(item, does) {
  const d = item.detection, path = '/v1/detections/' + encodeURIComponent(d.id);
  const said = el('p', { class: 'said-back', role: 'status' });
  return el('div', { class: 'actions' }, feedback(d, path, said), el('div', { class: 'buttons' }, share(path, said), print(), forget(item, path, said, does)), said);
}

function feedback(d, path, said) {
  const choices = {
    ai: [['right', 'right'], ['false_positive', 'false_positive']],
    real: [['right', 'right'], ['false_negative', 'false_negative']],
    unsure: [['false_positive', 'is_real'], ['false_negative', 'is_ai']],
  }[d.verdict];
  const buttons = choices.map(([kind, text]) => el('button', { type: 'button', class: 'button small', 'aria-pressed': String(d.feedback === kind), on: { click: async event => {
    try {
      await call('POST', path + '/feedback', { body: { kind } });
      d.feedback = kind;
      for (const b of buttons) b.setAttribute('aria-pressed', String(b === event.target));
      said.textContent = t('feedback.thanks');
    } catch (error) {
      said.textContent = t('feedback.failed', { detail: error.what });
    }
  } } }, t('feedback.' + text)));
  return el('fieldset', { class: 'feedback' }, el('legend', {}, t('feedback.title')), buttons);
}

function share(path, said) {
  const button = el('button', { type: 'button', class: 'button small', title: t('share.note'), on: { click: async () => {
    button.disabled = true;
    try {
      const { url } = await call('POST', path + '/share');
      const address = new URL(url, location.href).href;
      const field = el('input', { type: 'text', readonly: true, value: address, 'aria-label': t('share.link'), on: { focus: () => field.select() } });
      const copy = el('button', { type: 'button', class: 'button small', on: { click: async () => {
        field.select();
        await navigator.clipboard?.writeText(address).catch(() => {});
        copy.textContent = t('share.copied');
      } } }, t('share.copy'));
      said.replaceChildren(el('span', { class: 'link' }, field, copy), el('span', { class: 'soft small' }, t('share.note')));
      field.focus();
    } catch (error) {
      button.disabled = false;
      said.textContent = t('share.failed', { detail: error.what });
    }
  } } }, icon('link'), t('share.ask'));
  return button;
}

const print = () => el('button', { type: 'button', class: 'button small quiet', on: { click: () => window.print() } }, t('print'));

function forget(item, path, said, does) {
  return el('button', { type: 'button', class: 'button small quiet', on: { click: async () => {
    try {
      await call('DELETE', path);
      does.remove(item);
      document.getElementById('live').textContent = t('delete.done');
    } catch (error) {
      said.textContent = t('delete.failed', { detail: error.what });
    }
  } } }, t('delete.ask'));
}
