// What the file says of itself, as a chain that can be read: the signed part with
// how far it holds, then the claims, marked as such.
import { t, maybe } from './text.js';
import { clock, el } from './dom.js';

const signs = { absent: 'plain', not_checked: 'unsure', valid: 'real', invalid: 'ai' };

export function provenance(report) {
  const c = report.c2pa ?? { status: 'absent' }, claims = report.claims ?? [];
  const empty = c.status === 'absent' && !claims.length;
  return el('section', { class: 'block provenance' },
    el('h3', {}, t('provenance.title')),
    el('p', {}, empty ? t('provenance.none') : report.summary),
    c.status !== 'absent' && manifest(c),
    claims.length ? [
      el('h4', {}, t('provenance.claims')), el('p', { class: 'soft small' }, t('provenance.claims_note')),
      el('ul', { class: 'claims' }, claims.map(claim)),
    ] : null,
    report.truncated && el('p', { class: 'soft small' }, t('provenance.truncated')));
}

function claim(c) {
  const signed = c.source === 'c2pa';
  return el('li', {},
    el('p', {}, el('span', { class: 'tag ' + (signed ? 'signed' : 'claim') }, t(signed ? 'provenance.signed' : 'provenance.claim')),
      c.says !== 'none' && el('span', { class: 'tag' }, maybe('provenance.says', c.says))),
    el('p', {}, c.text),
    el('p', { class: 'soft small value' }, `${maybe('provenance.source', c.source)}, ${c.name}: ${c.value}`));
}

function manifest(c) {
  const signer = [
    c.signer && t('provenance.signer', { signer: c.signer }), c.issuer && t('provenance.issuer', { issuer: c.issuer }),
    c.signed_at && t('provenance.at', { time: clock(c.signed_at) }),
  ].filter(Boolean).join(', ');
  return el('div', { class: 'manifest ' + signs[c.status] },
    el('p', { class: 'status' }, el('span', { class: 'chip ' + signs[c.status] }, t('provenance.status.' + c.status)), c.trusted && el('span', { class: 'tag' }, maybe('provenance.trusted', c.trusted))),
    signer && el('p', {}, signer),
    c.note && el('p', { class: 'soft' }, c.note),
    c.chain?.length ? [el('h4', {}, t('provenance.chain')), el('ol', { class: 'chain' }, c.chain.map(link))] : null,
    c.actions?.length ? [el('h4', {}, t('provenance.actions')), el('ol', { class: 'steps' }, c.actions.map(step))] : null,
    c.errors?.length ? el('p', { class: 'bad' }, t('provenance.errors', { errors: c.errors.join(', ') })) : null);
}

const typeOf = type => type && maybe('provenance.types', type);

function link(l) {
  return el('li', { style: { '--depth': Math.min(l.depth, 6) } },
    el('p', {}, el('b', {}, l.title || t(l.depth ? 'provenance.untitled' : 'provenance.this')), l.relation && el('span', { class: 'tag' }, maybe('provenance.relation', l.relation)), l.source_type && el('span', { class: 'tag' }, typeOf(l.source_type))),
    el('p', { class: 'soft small' }, [l.generator && t('provenance.made_with', { generator: l.generator }), l.signer && t('provenance.signer', { signer: l.signer }), l.when && t('provenance.at', { time: clock(l.when) })].filter(Boolean).join(', ')),
    l.errors?.length ? el('p', { class: 'bad small' }, t('provenance.errors', { errors: l.errors.join(', ') })) : null);
}

function step(a) {
  return el('li', {}, [maybe('provenance.done', a.action), a.software && t('provenance.with', { software: a.software }), typeOf(a.source_type), a.when && t('provenance.at', { time: clock(a.when) })].filter(Boolean).join(', '));
}
