// The API as the pages use it: every failure is a Problem with words for people.
import { t, maybe } from './text.js';

const keyPlace = 'bitmind.key';

// Problem is an error document of the API (RFC 9457), or what stands for one.
export class Problem extends Error {
  constructor(document) {
    super(document.detail || document.title || '');
    this.code = document.code || 'unknown';
    this.status = document.status || 0;
    this.retryAfter = document.retry_after || 0;
    // The API's errors say what failed and, after "try:", what to do.
    const [what, ...hints] = this.message.split(/[;,.]\s*try:\s*/);
    this.what = sentence(what);
    this.hint = hints.join('; ');
  }
  get title() { return maybe('errors.codes', this.code, t('errors.title')); }
}

const sentence = s => s && (s[0].toUpperCase() + s.slice(1) + (/[.!?…]$/.test(s) ? '' : '.'));

export const key = () => sessionStorage.getItem(keyPlace) || '';
export const setKey = value => value ? sessionStorage.setItem(keyPlace, value) : sessionStorage.removeItem(keyPlace);
const authorization = () => key() ? { Authorization: 'Bearer ' + key() } : {};

// read makes a value of an answer, or a Problem.
function read(status, text) {
  let value = null;
  if (text) {
    try { value = JSON.parse(text); } catch { /* told below */ }
  }
  if (status >= 200 && status < 300 && (value !== null || !text)) return value;
  if (value && typeof value === 'object') throw new Problem({ status, detail: t('errors.status', { status }), ...value });
  throw new Problem({ status, detail: t('errors.not_json', { status }) });
}

// call asks the API for JSON.
export async function call(method, path, { body, signal } = {}) {
  const reply = await reach(path, {
    method, signal, headers: { Accept: 'application/json', ...authorization(), ...(body ? { 'Content-Type': 'application/json' } : {}) },
    body: body && JSON.stringify(body),
  });
  return read(reply.status, await reply.text());
}
export const get = (path, options) => call('GET', path, options);

// getText asks for plain text, getBlob for a picture.
export async function getText(path) { return (await good(path)).text(); }
export async function getBlob(path) { return (await good(path)).blob(); }
async function good(path) {
  const reply = await reach(path, { headers: authorization() });
  if (!reply.ok) read(reply.status, await reply.text());
  return reply;
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem({ code: 'network', detail: t('errors.network') });
  }
}

// upload sends a picture's bytes. fetch does not tell how far an upload is, so this
// is the older way; progress gets the share sent.
export function upload(path, file, { signal, progress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', path);
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.setRequestHeader('Accept', 'application/json');
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.upload.addEventListener('progress', event => { if (event.lengthComputable) progress(event.loaded / event.total); });
    request.upload.addEventListener('load', () => progress(1));
    request.addEventListener('load', () => {
      try { resolve(read(request.status, request.responseText)); } catch (error) { reject(error); }
    });
    request.addEventListener('error', () => reject(new Problem({ code: 'network', detail: t('errors.network') })));
    request.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
    signal.addEventListener('abort', () => request.abort());
    request.send(file);
  });
}
