// The ways in: drop, paste, choose, camera, address.
import { t } from './text.js';
import { $ } from './dom.js';

export const intake = { start, say };

// say tells what is wrong with what was given.
function say(text) { $('address-error').textContent = text; }

function start({ files, url }) {
  const take = list => { say(''); files([...list]); };
  for (const id of ['file', 'camera']) $(id).addEventListener('change', event => {
    if (event.target.files.length) take(event.target.files);
    event.target.value = ''; // the same picture can be chosen again
  });

  $('address-form').addEventListener('submit', event => {
    event.preventDefault();
    const text = $('address').value.trim();
    if (!webAddress(text)) { say(t('intake.bad_address')); $('address').focus(); return; }
    say('');
    $('address').value = '';
    url(webAddress(text));
  });

  // A picture dropped beside the box counts too, and never replaces the page.
  let depth = 0;
  const over = on => $('drop').classList.toggle('over', on);
  addEventListener('dragenter', event => { event.preventDefault(); depth++; over(true); });
  addEventListener('dragleave', () => { if (--depth <= 0) { depth = 0; over(false); } });
  addEventListener('dragover', event => { event.preventDefault(); event.dataTransfer.dropEffect = 'copy'; });
  addEventListener('drop', event => {
    event.preventDefault();
    depth = 0;
    over(false);
    given(event.dataTransfer);
  });
  addEventListener('paste', event => {
    if (event.target.closest?.('input, textarea') && !event.clipboardData.files.length) return; // text into the field
    event.preventDefault();
    given(event.clipboardData);
  });

  // given takes files first, then an address in text.
  function given(transfer) {
    if (transfer.files.length) { take(transfer.files); return; }
    const text = (transfer.getData('text/uri-list') || transfer.getData('text/plain')).trim().split('\n')[0];
    if (webAddress(text)) { say(''); url(webAddress(text)); } else say(t('intake.no_picture'));
  }
}

function webAddress(text) {
  try {
    const url = new URL(text);
    return ['http:', 'https:'].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}
