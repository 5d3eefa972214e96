// Texts of texts.json by their path, with {names} filled in.
import texts from './texts.js';

const plural = new Intl.PluralRules('en');

// t('many.title', {n: 3}) is a text; one that has plural forms is chosen by n.
export function t(path, values = {}) {
  let text = path.split('.').reduce((at, key) => at?.[key], texts);
  if (text && typeof text === 'object') text = text[plural.select(values.n)] ?? text.other;
  if (typeof text !== 'string') throw new Error('no text ' + path);
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

// maybe is the text of a word of a list that may grow, and fallback where it is not
// in the list. The word stands apart, since words of C2PA hold dots.
export function maybe(list, word, fallback = word) {
  const texts_ = list.split('.').reduce((at, key) => at?.[key], texts);
  return texts_ && Object.hasOwn(texts_, word) ? texts_[word] : fallback;
}
