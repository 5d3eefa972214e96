// Several pictures as a table, with their progress and as CSV.
import { t } from './text.js';
import { count, el, icon, score } from './dom.js';

// showMany fills the section with the table, or hides it for fewer than two.
export function showMany(section, items, selected, { select, clear }) {
  section.hidden = items.length < 2;
  if (section.hidden) { section.replaceChildren(); section.rows = null; return; }
  if (!section.rows) build(section, clear, items);
  const { body, rows, title, summary, bar } = section.rows;
  const of = test => items.filter(test).length;
  const done = of(i => !open.has(i.state));
  title.textContent = t('many.title', { n: items.length });
  summary.textContent = t('many.summary', {
    done: count(done), n: count(items.length), ai: of(i => i.detection?.verdict === 'ai'), real: of(i => i.detection?.verdict === 'real'),
    unsure: of(i => i.detection?.verdict === 'unsure'), failed: of(i => !open.has(i.state) && !i.detection),
  });
  bar.value = done / items.length;
  bar.hidden = done === items.length;
  for (const item of items) {
    if (!rows.has(item)) rows.set(item, newRow(item, select));
    fill(rows.get(item), item, item === selected);
    if (rows.get(item).row.parentNode !== body) body.append(rows.get(item).row);
  }
  for (const [item, { row }] of rows) if (!items.includes(item)) { row.remove(); rows.delete(item); }
}

const open = new Set(['waiting', 'sending', 'fetching', 'looking', 'busy']);

function build(section, clear, items) {
  const body = el('tbody');
  const title = el('h2', { id: 'many-title' }), summary = el('p', { class: 'soft' });
  const bar = el('progress', { max: 1, 'aria-label': t('many.title', { n: 2 }) });
  section.rows = { body, rows: new Map(), title, summary, bar };
  section.replaceChildren(
    el('div', { class: 'many-head' }, el('div', {}, title, summary),
      el('p', { class: 'buttons' },
        el('button', { class: 'button', type: 'button', id: 'csv', on: { click: () => download(items) } }, t('many.csv')),
        el('button', { class: 'button quiet', type: 'button', on: { click: clear } }, t('many.clear')))),
    bar,
    el('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-labelledby': 'many-title' },
      el('table', {}, el('thead', {}, el('tr', {},
        ...['picture', 'verdict', 'score', 'notes'].map(name => el('th', { scope: 'col', class: name === 'score' ? 'number' : null }, t('many.' + name))))), body)));
}

function newRow(item, select) {
  const thumb = el('span', { class: 'thumb' });
  const name = el('button', { type: 'button', class: 'name', 'aria-label': t('many.show', { name: item.name }), on: { click: () => select(item) } }, item.name);
  const verdict = el('td'), points = el('td', { class: 'number' }), notes = el('td', { class: 'notes' });
  return { row: el('tr', {}, el('td', {}, el('div', { class: 'pic' }, thumb, name)), verdict, points, notes), thumb, verdict, points, notes, name };
}

function fill(parts, item, isSelected) {
  const { row, thumb, verdict, points, notes, name } = parts;
  row.classList.toggle('selected', isSelected);
  name.setAttribute('aria-current', isSelected);
  if (item.preview && !parts.pictured) {
    parts.pictured = true;
    thumb.replaceChildren(el('img', { src: item.preview.thumb, alt: '' }));
  }
  const mark = item.state + item.part + item.left;
  if (parts.mark === mark) return;
  parts.mark = mark;
  verdict.replaceChildren(state(item));
  points.textContent = item.detection && item.state === 'done' ? score(item.detection.score) : '';
  notes.textContent = noteOf(item);
}

// chip is a verdict in a word with its sign.
export const chip = verdict => el('span', { class: 'chip ' + verdict }, icon(verdict), t('verdict.short_' + verdict));

export function progressText(item) {
  switch (item.state) {
    case 'sending': return t('progress.sending', { percent: Math.floor(100 * item.part) });
    case 'busy': return t('progress.busy', { seconds: item.left });
    case 'looking': {
      const seconds = Math.floor((Date.now() - item.since) / 1000);
      return seconds < 3 ? t('progress.looking') : t('progress.looking_long', { seconds });
    }
    default: return t('progress.' + item.state);
  }
}

function state(item) {
  if (item.state === 'done') return chip(item.detection.verdict);
  if (open.has(item.state)) return el('span', { class: 'working' }, progressText(item));
  return el('span', { class: 'chip failed' }, icon('error'), item.state === 'cancelled' ? t('progress.cancelled') : t('many.failed'));
}

function noteOf(item) {
  if (item.problem) return item.problem.title === t('errors.title') ? item.problem.what : item.problem.title;
  if (item.state === 'interrupted') return t('result.interrupted_title');
  const d = item.detection;
  if (!d) return '';
  const notes = (d.warnings ?? []).map(w => w.text);
  if (d.robustness) notes.unshift(t(d.robustness.holds ? 'many.robust' : 'many.fragile'));
  return notes.join(' · ');
}

const columns = {
  name: i => i.name, verdict: i => i.detection?.verdict, score: i => i.detection?.score, confidence: i => i.detection?.confidence,
  model: i => i.detection?.model?.name, version: i => i.detection?.model?.version,
  half_size: i => i.detection?.robustness?.half_size, jpeg60: i => i.detection?.robustness?.jpeg60, holds: i => i.detection?.robustness?.holds,
  format: i => i.detection?.media?.format, width: i => i.detection?.media?.width, height: i => i.detection?.media?.height,
  bytes: i => i.detection?.media?.bytes, sha256: i => i.detection?.media?.sha256,
  warnings: i => i.detection?.warnings?.map(w => w.code).join(' '), id: i => i.detection?.id, error: i => i.problem?.what,
};

// csv is RFC 4180; a text that a spreadsheet would take for a formula is marked as text.
export function csv(items) {
  const cell = value => {
    let text = String(value ?? '');
    if (typeof value === 'string' && /^[=+\-@\t\r]/.test(text)) text = "'" + text;
    return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  };
  return [Object.keys(columns), ...items.map(i => Object.values(columns).map(of => of(i)))].map(row => row.map(cell).join(',') + '\r\n').join('');
}

function download(items) {
  const url = URL.createObjectURL(new Blob(['\ufeff', csv(items)], { type: 'text/csv' }));
  el('a', { href: url, download: 'bitmind.csv' }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
