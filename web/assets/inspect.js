// The page that people show their pictures to: takes them in, asks about two at a
// time, shows the answers, and keeps them in this tab through a reload.
import { t } from './text.js';
import { $, el } from './dom.js';
import { call, get, key, setKey, upload } from './api.js';
import { preview } from './preview.js';
import { intake } from './intake.js';
import { showMany } from './many.js';
import { resultCard } from './result.js';
import { restore, save } from './session.js';
import { showSamples } from './samples.js';

const mostItems = 200, atOnce = 2, mostTries = 6;
const items = [];      // newest batch last
let selected = null;   // the item shown in full
let running = 0;
let models = [];       // schema.ModelInfo of this server

// An item is one picture: {key, name, source: file|url|sample, file, url, truth,
// state: waiting|sending|fetching|looking|busy|done|failed|cancelled|interrupted|gone,
// part, detection, problem, preview, abort}.
const make = (name, source, more) => ({ key: crypto.randomUUID?.() ?? String(Math.random()), name, source, state: 'waiting', part: 0, ...more });

function add(fresh) {
  const room = mostItems - items.length;
  if (fresh.length > room) {
    intake.say(t('intake.too_many', { n: mostItems }));
    fresh = fresh.slice(0, room);
  }
  if (!fresh.length) return;
  const several = fresh.length > 1;
  for (const item of fresh) {
    item.heatmap = !several && $('opt-heatmap').checked;
    items.push(item);
    if (item.file) preview(item.file).then(made => { item.preview = made; item.previewed = true; changed(item); save(items, selected); });
  }
  select(fresh[0]);
  save(items, selected);
  ($('many').hidden ? $('result') : $('many')).scrollIntoView({ block: 'start', behavior: calm() ? 'auto' : 'smooth' });
  pump();
}

const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

function pump() {
  while (running < atOnce) {
    const item = items.find(i => i.state === 'waiting');
    if (!item) break;
    running++;
    ask(item).finally(() => { running--; pump(); });
  }
}

function questions(item) {
  const chosen = [...document.querySelectorAll('#opt-models input:checked')].map(box => box.value);
  const query = new URLSearchParams();
  if (item.heatmap) query.set('heatmap', 'true');
  if (!$('opt-robustness').checked) query.set('robustness', 'false');
  if (chosen.length) query.set('models', chosen.join(','));
  return query;
}

async function ask(item) {
  item.abort = new AbortController();
  const signal = item.abort.signal;
  for (let attempt = 1; ; attempt++) {
    try {
      item.problem = null;
      item.detection = await once(item, signal);
      item.state = 'done';
      item.at = Date.now();
      break;
    } catch (error) {
      if (error.name === 'AbortError') { item.state = 'cancelled'; break; }
      const again = [429, 503].includes(error.status) && error.code !== 'quota_exceeded' && attempt < mostTries;
      if (!again) {
        item.problem = error;
        item.state = 'failed';
        if (error.status === 401) askForKey();
        break;
      }
      item.state = 'busy';
      if (!await countDown(item, Math.min(30, Math.max(1, error.retryAfter || attempt)), signal)) { item.state = 'cancelled'; break; }
    }
  }
  item.abort = null;
  announce(item);
  changed(item);
  save(items, selected);
}

function once(item, signal) {
  const query = questions(item), path = '/v1/detect' + (query.size ? '?' + query : '');
  item.part = 0;
  item.since = Date.now();
  if (item.source === 'url') {
    item.state = 'fetching';
    changed(item);
    return call('POST', path, { body: { url: item.url }, signal });
  }
  item.state = 'sending';
  changed(item);
  return upload(path, item.file, { signal, progress: part => {
    item.part = part;
    if (part === 1 && item.state === 'sending') { item.state = 'looking'; item.since = Date.now(); }
    changed(item);
  } });
}

// countDown waits, showing the seconds left; false when it was cancelled.
async function countDown(item, seconds, signal) {
  for (item.left = seconds; item.left > 0; item.left--) {
    changed(item);
    await new Promise(resolve => setTimeout(resolve, 1000));
    if (signal.aborted) return false;
  }
  return true;
}

function announce(item) {
  $('live').textContent = item.state === 'done'
    ? `${item.name}: ${t('verdict.' + item.detection.verdict)}, ${t('scale.score')} ${item.detection.score.toFixed(2)}`
    : item.state === 'failed' ? `${item.name}: ${item.problem.title}. ${item.problem.what}` : '';
}

function select(item) {
  selected = item;
  history.replaceState(null, '', item?.detection?.id ? '#' + item.detection.id : location.pathname);
  drawMany();
  drawResult();
}

// What changes is drawn at the next frame, however often it changes.
const dirty = new Set();
function changed(item) {
  if (!dirty.size) requestAnimationFrame(() => {
    const all = [...dirty];
    dirty.clear();
    drawMany();
    if (all.includes(selected)) {
      drawResult();
      if (selected.detection?.id) history.replaceState(null, '', '#' + selected.detection.id);
    }
  });
  dirty.add(item);
}

const drawMany = () => showMany($('many'), items, selected, {
  select: item => { select(item); save(items, selected); $('result').focus({ preventScroll: true }); $('result').scrollIntoView({ block: 'start', behavior: calm() ? 'auto' : 'smooth' }); },
  clear,
});

let shown = null; // the card on the page and what it was made from
function drawResult() {
  if (!selected) { $('result').replaceChildren(); shown = null; return; }
  // While only the progress moves, the card stays and moves its bar.
  if (shown?.item === selected && shown.state === selected.state && shown.previewed === selected.previewed && shown.detection === selected.detection) {
    shown.card.update?.();
    return;
  }
  const card = resultCard(selected, { models, again, cancel, where, remove, changed });
  shown = { item: selected, state: selected.state, previewed: selected.previewed, detection: selected.detection, card };
  $('result').replaceChildren(card.node);
}
// The seconds of a long look go on without news from the server.
setInterval(() => { if (selected && ['looking', 'fetching'].includes(selected.state)) shown?.card.update?.(); }, 500);

function again(item) { item.state = 'waiting'; changed(item); pump(); }
function cancel(item) { item.abort?.abort(); }

// where asks again, for the heatmap; the answer takes the place of the first one.
function where(item) { item.heatmap = true; again(item); }

function remove(item) {
  const at = items.indexOf(item);
  items.splice(at, 1);
  select(items[Math.min(at, items.length - 1)] ?? null);
  save(items, selected);
}

function clear() {
  for (const item of items) { item.abort?.abort(); if (item.preview?.url) URL.revokeObjectURL(item.preview.url); }
  items.length = 0;
  select(null);
  save(items, selected);
  $('file').focus();
}

function askForKey() {
  setKey('');
  $('key-form').hidden = false;
  $('key').focus();
}
$('key-form').addEventListener('submit', event => {
  event.preventDefault();
  if (!$('key').value.trim()) return;
  setKey($('key').value.trim());
  $('key').value = '';
  $('key-form').hidden = true;
  for (const item of items) if (item.state === 'failed' && item.problem.status === 401) again(item);
  begin();
});

// begin asks what this server can do: which detectors it has and which examples.
async function begin() {
  try {
    models = (await get('/v1/models')).items;
  } catch (error) {
    if (error.status === 401 && !key()) askForKey();
    if (error.status === 404) intake.say(t('errors.none_here'));
    return;
  }
  if (models.length > 1) {
    $('opt-models').hidden = false;
    $('opt-models').replaceChildren(el('legend', {}, t('options.models')), ...models.map(model => el('label', { class: 'check' },
      el('input', { type: 'checkbox', value: model.name, checked: true }), ' ', model.name)));
  }
  shown = null;
  drawResult();
}

intake.start({
  files: files => add(files.map(file => make(file.name || t('many.picture'), 'file', file.size ? { file } : { file, state: 'failed', previewed: true, problem: { title: t('errors.title'), what: t('errors.empty'), hint: '' } }))),
  url: url => add([make(new URL(url).pathname.split('/').pop() || new URL(url).host, 'url', { url, previewed: true })]),
});
showSamples((sample, file) => add([make(file.name, 'sample', { file, truth: sample })]));

// What was there before a reload comes back; a question by address is asked again.
const before = restore(make);
items.push(...before.items);
selected = items.find(item => item.key === before.selected) ?? null;
const wanted = location.hash.slice(1);
if (wanted && wanted !== 'privacy' && selected?.detection?.id !== wanted) {
  const known = items.find(item => item.detection?.id === wanted);
  if (known) selected = known;
  else if (/^[\w-]{4,64}$/.test(wanted) && !document.getElementById(wanted)) fetchOld(wanted);
}
async function fetchOld(id) {
  const item = make(id, 'old', { previewed: true, restored: true });
  try {
    item.detection = await get('/v1/detections/' + id);
    item.state = 'done';
  } catch (error) {
    item.state = error.status === 404 ? 'gone' : 'failed';
    item.problem = error;
  }
  items.push(item);
  select(item);
}
drawMany();
drawResult();
pump();
begin();
