// Making elements without HTML in strings: whatever comes from outside stays text.

const svgTags = new Set(['svg', 'path', 'circle', 'rect', 'line', 'polyline', 'g', 'text', 'title']);

// el makes an element. Of props, "on" holds listeners, "style" custom properties and
// styles, "class" and everything else are attributes; true is an attribute without a
// value, false, null and undefined none at all.
export function el(tag, props = {}, ...children) {
  const node = svgTags.has(tag) ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === 'on') for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === 'style') for (const [property, v] of Object.entries(value)) node.style.setProperty(property, v);
    else if (name === 'value' || name === 'checked') node[name] = value;
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false));
  return node;
}

export const $ = id => document.getElementById(id);

// icon is one of the few signs that the pages use.
const icons = {
  ai: 'M12 3l2 5 5 2-5 2-2 5-2-5-5-2 5-2zM19 15l1 2.5 2.5 1L20 19.5 19 22l-1-2.5-2.5-1 2.5-1z',
  real: 'M5 12.5l4.5 4.5L19 7.5',
  unsure: 'M9 9a3 3 0 1 1 4.2 2.8c-.8.3-1.2 1-1.2 1.9v.8M12 18v.1',
  warn: 'M12 4l9 16H3zM12 10v4M12 17v.1',
  error: 'M6 6l12 12M18 6L6 18',
  link: 'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1',
};
export const icon = name => el('svg', { class: 'icon icon-' + name, viewBox: '0 0 24 24', 'aria-hidden': 'true' }, el('path', { d: icons[name] }));

// Numbers as people read them.
export const score = x => x.toFixed(2);
export const percent = x => (100 * x).toFixed(x > 0.0005 && x < 0.1 ? 1 : 0);
export const ms = x => x >= 1000 ? (x / 1000).toFixed(1) + ' s' : Math.round(x) + ' ms';
export const count = n => n.toLocaleString('en');
export function bytes(n) {
  if (n < 1000) return n + ' B';
  if (n < 1e6) return (n / 1e3).toFixed(0) + ' KB';
  return (n / 1e6).toFixed(1) + ' MB';
}
export function ago(milliseconds) {
  const s = Math.max(0, milliseconds) / 1000;
  if (s < 90) return Math.round(s) + ' s';
  if (s < 5400) return Math.round(s / 60) + ' min';
  if (s < 129600) return Math.round(s / 3600) + ' h';
  return Math.round(s / 86400) + ' days';
}
export const clock = time => new Date(time).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' });
