// Charts: small ones in SVG, those over time by uPlot (vendor/uplot.js).
/* global uPlot */
import { t } from './text.js';
import { el, percent } from './dom.js';

// sparkline draws values in [0,1].
export function sparkline(values, label) {
  if (!values || values.length < 2) return null;
  const w = 96, h = 26, pad = 3;
  const low = Math.min(...values, 0.5), high = Math.max(...values, low + 0.1);
  const points = values.map((v, i) => [pad + (w - 2 * pad) * i / (values.length - 1), h - pad - (h - 2 * pad) * (v - low) / (high - low)]);
  const [x, y] = points.at(-1);
  return el('svg', { class: 'spark', viewBox: `0 0 ${w} ${h}`, role: 'img', 'aria-label': label },
    el('polyline', { points: points.map(p => p.map(n => n.toFixed(1)).join(',')).join(' ') }), el('circle', { cx: x, cy: y, r: 2.5 }));
}

// ring is the clock of an epoch: which part of it is over.
export function ring(part, label) {
  const r = 26, around = 2 * Math.PI * r;
  return el('svg', { class: 'ring', viewBox: '0 0 64 64', role: 'img', 'aria-label': label },
    el('circle', { cx: 32, cy: 32, r, class: 'track' }),
    el('circle', { cx: 32, cy: 32, r, class: 'over', 'stroke-dasharray': `${(around * part).toFixed(1)} ${around.toFixed(1)}`, transform: 'rotate(-90 32 32)' }));
}

// calibration draws what was said against what was so.
export function calibration(bins) {
  const side = 220, at = v => 20 + v * (side - 30), up = v => side - 20 - v * (side - 30);
  const most = Math.max(...bins.map(b => b.answers));
  return el('svg', { class: 'calibration', viewBox: `0 0 ${side} ${side}`, role: 'img', 'aria-label': bins.map(b => t('miner.calibration_label', { answers: b.answers, mean: b.mean.toFixed(2), share: percent(b.ai_share) })).join('. ') },
    el('rect', { x: at(0), y: up(1), width: at(1) - at(0), height: up(0) - up(1), class: 'frame' }),
    el('line', { x1: at(0), y1: up(0), x2: at(1), y2: up(1), class: 'ideal' }),
    el('polyline', { points: bins.map(b => `${at(b.mean).toFixed(1)},${up(b.ai_share).toFixed(1)}`).join(' '), class: 'line' }),
    bins.map(b => el('circle', { cx: at(b.mean), cy: up(b.ai_share), r: 3 + 5 * Math.sqrt(b.answers / most) })),
    [0, 0.5, 1].map(v => [el('text', { x: at(v), y: side - 5, 'text-anchor': 'middle' }, v), el('text', { x: 16, y: up(v) + 4, 'text-anchor': 'end' }, v)]));
}

// Colours of several lines, told apart by dashes too.
const hues = ['--line-1', '--line-2', '--line-3', '--line-4', '--line-5', '--line-6'];
const dashes = [[], [6, 3], [2, 3]];
const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// overTime draws lines over blocks into a box: blocks ascending, lines as {name,
// values}; a value may be null. It is drawn anew when the box or the colours change.
export function overTime(box, blocks, lines) {
  const labels = lines.map(line => {
    const known = line.values.filter(v => v !== null);
    return t('chart.points', { name: line.name, first: known[0]?.toFixed(2) ?? '', last: known.at(-1)?.toFixed(2) ?? '', n: known.length });
  });
  const frame = el('div', { class: 'chart', role: 'img', 'aria-label': labels.join('. ') });
  const legend = el('ul', { class: 'chart-legend' }, lines.map((line, i) => el('li', {}, el('svg', { viewBox: '0 0 24 8', 'aria-hidden': 'true' }, el('line', { x1: 1, y1: 4, x2: 23, y2: 4, class: 'l' + i % hues.length, 'stroke-dasharray': dashes[Math.floor(i / hues.length) % dashes.length].join(' ') || null })), line.name)));
  box.replaceChildren(frame, legend);
  const axis = () => ({ stroke: style('--soft'), grid: { stroke: style('--line'), width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' });
  const draw = () => {
    frame.replaceChildren();
    return new uPlot({
      width: Math.max(200, frame.clientWidth), height: 220, legend: { show: false }, cursor: { show: false },
      scales: { x: { time: false }, y: { range: (u, low, high) => [0, Math.max(0.1, high * 1.08)] } },
      axes: [{ ...axis(), space: 90 }, { ...axis(), size: 44, values: (u, values) => values.map(v => v.toFixed(2)) }],
      series: [{ label: t('chart.block') }, ...lines.map((line, i) => ({ label: line.name, stroke: style(hues[i % hues.length]), width: 2, dash: dashes[Math.floor(i / hues.length) % dashes.length], spanGaps: true, points: { show: blocks.length < 3 } }))],
    }, [blocks, ...lines.map(line => line.values)], frame);
  };
  let plot = draw();
  let width = frame.clientWidth;
  const sizes = new ResizeObserver(() => {
    if (!frame.isConnected) { sizes.disconnect(); scheme.removeEventListener('change', redraw); return; }
    if (frame.clientWidth && frame.clientWidth !== width) { width = frame.clientWidth; plot.setSize({ width, height: 220 }); }
  });
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  const redraw = () => { plot.destroy(); plot = draw(); };
  sizes.observe(frame);
  scheme.addEventListener('change', redraw);
}
