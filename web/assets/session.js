// What this tab remembers through a reload: finished answers with a small picture,
// and that others were under way. It goes when the tab is closed.
const place = 'bitmind.items', most = 60;

export function save(items, selected) {
  const kept = items.slice(-most).map(item => ({
    key: item.key, name: item.name, source: item.source, url: item.url, truth: item.truth, state: item.state,
    detection: item.detection, thumb: item.preview?.thumb, at: item.at,
    problem: item.state === 'failed' ? { code: item.problem.code, title: item.problem.title, what: item.problem.what, hint: item.problem.hint } : undefined,
  }));
  // Pictures make room where the tab may keep no more.
  for (let i = 0; i <= kept.length; i++) {
    try {
      sessionStorage.setItem(place, JSON.stringify({ selected: selected?.key, items: kept }));
      return;
    } catch {
      if (i < kept.length) delete kept[i].thumb;
    }
  }
}

// restore returns the items of before, made by make, and the key of the one that
// was shown.
export function restore(make) {
  let kept;
  try {
    kept = JSON.parse(sessionStorage.getItem(place)) ?? {};
  } catch {
    return { items: [] };
  }
  const items = (kept.items ?? []).map(k => {
    const item = make(k.name, k.source, { key: k.key, url: k.url, truth: k.truth, detection: k.detection, problem: k.problem, at: k.at, previewed: true, restored: true });
    if (k.thumb) item.preview = { url: k.thumb, thumb: k.thumb };
    item.state = ['done', 'failed', 'cancelled', 'gone'].includes(k.state) ? k.state : k.source === 'url' ? 'waiting' : 'interrupted';
    return item;
  });
  return { items, selected: kept.selected };
}
