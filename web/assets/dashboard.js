// The dashboard: how the subnet does, live.
import { t } from './text.js';
import { $, ago, count, el, ms } from './dom.js';
import { follow, now } from './live.js';
import { leaderboard, pools } from './leaderboard.js';
import { challenge } from './challenges.js';
import { figure, minerPage, missingMiner } from './miner.js';
import { overTime, ring } from './charts.js';

const shownChallenges = 24, mostWeights = 200;
let status = null, statusAt = 0, weights = [], cursor = '';

// Figures: chain head, epoch, challenges, weights.
function drawStatus(s) {
  status = s;
  statusAt = Date.now() - (s.head_age_ms ?? 0);
  $('where').textContent = t('dashboard.of', { netuid: s.netuid, network: s.network });
  const all = s.tempo + 1, done = Math.max(0, Math.min(all, all - s.blocks_to_epoch));
  const answers = Math.max(1, s.real + s.synthetic);
  $('figures').replaceChildren(
    figure(t('dashboard.block'), count(s.block), age()),
    figure(t('dashboard.epoch'), t('dashboard.epoch_blocks', { n: s.blocks_to_epoch }), s.block_time_ms ? t('dashboard.epoch_time', { time: span(s.blocks_to_epoch * s.block_time_ms) }) : '', ring(done / all, t('dashboard.epoch_label', { done, all }))),
    figure(t('dashboard.challenges'), count(s.challenges), t('dashboard.challenges_split', { real: count(s.real), synthetic: count(s.synthetic) }), el('span', { class: 'split', 'aria-hidden': 'true', style: { '--part': s.real / answers } }, el('i'), el('i'))),
    figure(t('dashboard.weights_set'), count(s.weights_set), s.weights_block ? t('dashboard.weights_last', { block: count(s.weights_block) }) : t('dashboard.weights_never')));
  $('figures').firstChild.querySelector('.small').id = 'head-age';
  $('pools').replaceChildren(...pools(s.pools ?? []).filter(Boolean));
}
const age = () => t('dashboard.block_age', { age: ago(Date.now() - statusAt) });
const span = milliseconds => milliseconds < 1000 ? ms(milliseconds) : ago(milliseconds);

// What is told as "… ago" grows older without news.
setInterval(() => {
  if (document.hidden || !status) return;
  if ($('head-age')) $('head-age').textContent = age();
  for (const time of document.querySelectorAll('time[data-ago]')) time.textContent = t('dashboard.block_age', { age: ago(Date.now() - new Date(time.dateTime)) });
}, 1000);

function drawLeaderboard({ items }) {
  // Links keep the focus of whoever tabs through them.
  const focused = document.activeElement?.closest?.('#leaderboard') && document.activeElement.getAttribute('href');
  $('leaderboard').replaceChildren(leaderboard(items ?? []));
  if (focused) $('leaderboard').querySelector(`a[href="${CSS.escape(focused).replace(/\\/g, '')}"]`)?.focus();
}

function drawWeights() {
  if (!weights.length) { $('weights').replaceChildren(el('p', { class: 'empty soft' }, t('dashboard.no_weights'))); return; }
  // Several validators set weights: a point is the mean of what was set at a block.
  const blocks = [...new Set(weights.map(w => w.block))].sort((a, b) => a - b);
  const uids = [...new Set(weights.flatMap(w => w.weights.map(x => x.uid)))].sort((a, b) => a - b);
  const at = new Map(blocks.map(b => [b, weights.filter(w => w.block === b)]));
  const lines = uids.map(uid => ({ name: t('dashboard.uid', { uid }), values: blocks.map(b => {
    const sets = at.get(b);
    return sets.reduce((sum, w) => sum + (w.weights.find(x => x.uid === uid)?.share ?? 0), 0) / sets.length;
  }) }));
  // The best paid ones; more lines than that cannot be told apart.
  lines.sort((a, b) => b.values.at(-1) - a.values.at(-1));
  overTime($('weights'), blocks, lines.slice(0, 12));
}

function addChallenge(c, atEnd = false) {
  if ($('challenges').querySelector(`[data-id="${CSS.escape(c.id)}"]`)) return;
  $('challenges').querySelector('.empty')?.remove();
  $('challenges')[atEnd ? 'append' : 'prepend'](challenge(c));
  // New ones push old ones out, but none that somebody reads.
  const list = $('challenges').children;
  for (let i = list.length - 1; !atEnd && i >= shownChallenges && list.length > shownChallenges; i--) {
    if (!list[i].querySelector('details[open]') && !list[i].contains(document.activeElement)) list[i].remove();
  }
}

async function loadChallenges(more = false) {
  const page = await now('/v1/challenges?limit=12' + (more && cursor ? '&cursor=' + encodeURIComponent(cursor) : ''));
  if (!page) return;
  const items = page.items ?? [];
  if (more) for (const c of items) addChallenge(c, true); else for (const c of items.toReversed()) addChallenge(c);
  if (more || !cursor) cursor = page.next_cursor ?? '';
  $('more').hidden = !cursor;
  if (!$('challenges').children.length) $('challenges').replaceChildren(el('li', { class: 'empty soft' }, t('dashboard.no_challenges')));
}
$('more').addEventListener('click', () => loadChallenges(true).catch(failed));

// everything asks for all that the page shows.
async function everything() {
  const [s, board, history] = await Promise.all([now('/v1/status'), now('/v1/leaderboard'), now('/v1/weights')]);
  $('none').hidden = s !== null;
  if (!s) { $('connection').hidden = true; return false; }
  drawStatus(s);
  if (board) drawLeaderboard(board);
  weights = history?.items ?? [];
  route();
  drawWeights();
  await loadChallenges();
  if (minerShown !== null) await drawMiner();
  return true;
}

// The address says what is shown: #miner/3 or the subnet.
let minerShown = null;
function route() {
  const uid = location.hash.match(/^#miner\/(\d+)$/)?.[1] ?? null;
  $('subnet').hidden = uid !== null;
  document.querySelector('main > .title').hidden = uid !== null;
  $('miner').hidden = uid === null;
  const before = minerShown;
  minerShown = uid;
  return uid !== before;
}
addEventListener('hashchange', () => {
  if (!status || !route()) return;
  if (minerShown === null) { drawWeights(); return; }
  $('miner').replaceChildren(el('p', { class: 'soft' }, t('dashboard.loading')));
  drawMiner().then(() => { $('miner').focus(); scrollTo(0, 0); }).catch(failed);
});

async function drawMiner() {
  const uid = minerShown, m = await now('/v1/miners/' + uid);
  if (uid !== minerShown) return; // somewhere else by now
  $('miner').replaceChildren(m ? minerPage(m) : missingMiner(uid));
}

function failed(error) {
  $('connection').className = 'connection reconnecting';
  $('connection').textContent = error.what ?? t('dashboard.reconnecting');
}

function state(name) {
  $('connection').className = 'connection ' + name;
  const text = t('dashboard.' + name);
  if ($('connection').textContent !== text) $('connection').textContent = text;
}

// Drawn at most twice a second, however fast the chain is.
function calm(draw) {
  let next = null, waiting = 0;
  return value => {
    next = value;
    waiting ||= setTimeout(() => { waiting = 0; if (!document.hidden) draw(next); }, 500);
  };
}
const calmStatus = calm(drawStatus), calmBoard = calm(board => { drawLeaderboard(board); if (minerShown !== null) drawMiner().catch(failed); });

function start() {
  everything().then(there => {
    if (!there) return;
    follow({
      state, status: calmStatus, leaderboard: calmBoard,
      challenge: c => addChallenge(c),
      weights: w => { weights = [...weights, w].slice(-mostWeights); if (minerShown === null) drawWeights(); },
      poll: () => everything().catch(failed),
    });
  }, error => {
    failed(error);
    setTimeout(start, 3000);
  });
}
start();
// A page that was in the background shows what it missed.
document.addEventListener('visibilitychange', () => { if (!document.hidden && status) everything().catch(failed); });
