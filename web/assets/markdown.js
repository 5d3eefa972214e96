// The part of Markdown that model cards use: headings, paragraphs, lists, tables,
// code, links, emphasis. All text stays text.
import { el } from './dom.js';

// markdown returns the elements of a text.
export function markdown(text) {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  const out = [];
  for (let i = 0; i < lines.length;) {
    const line = lines[i];
    const heading = line.match(/^(#{1,5})\s+(.*)/);
    if (!line.trim()) { i++; continue; }
    if (heading) {
      out.push(el('h' + heading[1].length, {}, spans(heading[2])));
      i++;
    } else if (line.startsWith('```')) {
      const end = lines.findIndex((l, j) => j > i && l.startsWith('```'));
      const last = end < 0 ? lines.length : end;
      out.push(el('pre', { tabindex: 0 }, el('code', {}, lines.slice(i + 1, last).join('\n'))));
      i = last + 1;
    } else if (line.includes('|') && /^\s*\|?[\s:|-]+\|[\s:|-]*$/.test(lines[i + 1] ?? '')) {
      let end = i + 2;
      while (end < lines.length && lines[end].includes('|')) end++;
      out.push(table(lines.slice(i, end)));
      i = end;
    } else if (item.test(line)) {
      let end = i;
      while (end < lines.length && (item.test(lines[end]) || /^\s+\S/.test(lines[end]))) end++;
      out.push(list(lines.slice(i, end)));
      i = end;
    } else {
      let end = i + 1;
      while (end < lines.length && lines[end].trim() && !/^(#{1,5}\s|```)/.test(lines[end]) && !item.test(lines[end])) end++;
      out.push(el('p', {}, spans(lines.slice(i, end).join(' '))));
      i = end;
    }
  }
  return out;
}

const item = /^\s{0,3}([-*+]|\d+[.)])\s+/;

function list(lines) {
  const items = [];
  for (const line of lines) {
    if (item.test(line)) items.push(line.replace(item, '')); else items[items.length - 1] += ' ' + line.trim();
  }
  return el(/^\s*\d/.test(lines[0]) ? 'ol' : 'ul', {}, items.map(text => el('li', {}, spans(text))));
}

function table(lines) {
  const cells = line => line.trim().replace(/^\||\|$/g, '').split('|').map(c => c.trim());
  const right = cells(lines[1]).map(c => c.endsWith(':'));
  const row = (tag, line) => el('tr', {}, cells(line).map((c, i) => el(tag, { class: right[i] ? 'number' : null, scope: tag === 'th' ? 'col' : null }, spans(c))));
  return el('div', { class: 'scroll', tabindex: 0, role: 'group' }, el('table', {}, el('thead', {}, row('th', lines[0])), el('tbody', {}, lines.slice(2).map(l => row('td', l)))));
}

// spans makes code, emphasis and links of a line.
function spans(text) {
  const out = [];
  const token = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\(([^)\s]+)\)/g;
  let at = 0;
  for (const match of text.matchAll(token)) {
    out.push(text.slice(at, match.index));
    at = match.index + match[0].length;
    const [, code, strong, emphasis, label, target] = match;
    if (code) out.push(el('code', {}, code));
    else if (strong) out.push(el('strong', {}, strong));
    else if (emphasis) out.push(el('em', {}, emphasis));
    else out.push(/^https?:\/\//.test(target) ? el('a', { href: target, rel: 'noreferrer' }, label) : label);
  }
  out.push(text.slice(at));
  return out;
}
