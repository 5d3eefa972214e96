// News of the subnet as they come: by server-sent events, and where those don't
// get through by asking every few seconds.
import { get, key } from './api.js';

const kinds = ['status', 'challenge', 'leaderboard', 'weights'];
const firstWait = 1000, longestWait = 15_000, pollEvery = 3000, patience = 3;

// follow calls on[kind] with each piece of news, on.state with live, polling or
// reconnecting, and on.poll when it is time to ask for everything anew.
export function follow(on) {
  let failures = 0, poller = 0;

  // A proxy may hold events back for ever, and they bring no key along: then the
  // page asks instead, and goes on trying.
  const poll = on_ => {
    if (on_ && !poller) poller = setInterval(on.poll, pollEvery);
    if (!on_ && poller) { clearInterval(poller); poller = 0; }
  };

  function connect() {
    if (key()) { poll(true); on.state('polling'); return; }
    const source = new EventSource('/v1/events');
    source.addEventListener('open', () => {
      if (failures) on.poll(); // what was missed
      failures = 0;
      poll(false);
      on.state('live');
    });
    for (const kind of kinds) source.addEventListener(kind, event => on[kind](JSON.parse(event.data)));
    source.addEventListener('error', () => {
      source.close(); // its own way of trying again gives up after some answers
      failures++;
      if (failures >= patience) poll(true);
      on.state(failures >= patience ? 'polling' : 'reconnecting');
      setTimeout(connect, Math.min(longestWait, firstWait * 2 ** (failures - 1)) * (0.75 + Math.random() / 2));
    });
  }
  connect();
}

// now asks once for a path, or gives null where the server has no such thing.
export async function now(path) {
  try {
    return await get(path);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}
