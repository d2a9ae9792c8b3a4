/** Plays a recording: asciinema's player. The address may name a moment: `?t=83`. */

const place = document.querySelector("[data-player]");
const link = document.querySelector("[data-link-moment]");

/** Seconds without output that are played; what is longer is left out. */
const IDLE_LIMIT = 2;
/** Seconds: what happened at the moment itself is to be seen. */
const JUST_AFTER = 0.01;

function startAt() {
  const seconds = Number.parseFloat(place.dataset.start);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : 0;
}

/**
 * The player leaves out idle time, and counts without it. A moment of the session is `?t=` and what search finds, so each
 * must be told in the other's time.
 */
class Clock {
  /** Per event: when it was in the session, and when it is in the player. */
  #moments = [[0, 0]];

  /** @param {string} cast asciicast v2 */
  constructor(cast) {
    for (const line of cast.split("\n").slice(1)) {
      const at = Number.parseFloat(line.slice(1));
      const [before, played] = this.#moments.at(-1);
      if (at > before) this.#moments.push([at, played + Math.min(at - before, IDLE_LIMIT)]);
    }
  }

  /** Seconds of the player for seconds of the session. */
  played(at) {
    const [before, played] = this.#last(([moment]) => moment <= at);
    return played + Math.min(at - before, IDLE_LIMIT);
  }

  /** Seconds of the session for seconds of the player. */
  happened(played) {
    const [before, then] = this.#last(([, moment]) => moment <= played);
    return before + played - then;
  }

  /** The last moment that fits; they are in order, and the first always fits. */
  #last(fits) {
    let low = 0;
    let high = this.#moments.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (fits(this.#moments[middle])) low = middle;
      else high = middle;
    }
    return this.#moments[low];
  }
}

/** The module may come before the player's own script. */
async function playerScript() {
  if (document.readyState === "loading") {
    await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));
  }
  return globalThis.AsciinemaPlayer;
}

const CELL = 2.2;
/** How many times as high as wide a character's cell is, about. */

/** The panel takes the form of what it plays. @param {string} cast */
function shape(cast) {
  const { width, height } = JSON.parse(cast.slice(0, cast.indexOf("\n")));
  place.style.setProperty("--player-shape", String(width / (height * CELL)));
}

async function show() {
  const { create } = await playerScript();
  const response = await fetch(place.dataset.cast, { credentials: "same-origin" });
  if (!response.ok) throw new Error(`The recording cannot be read (${response.status}).`);
  const cast = await response.text();
  shape(cast);
  place.replaceChildren();
  const clock = new Clock(cast);
  const at = startAt();
  const played = at > 0 ? clock.played(at) + JUST_AFTER : 0;
  const player = create({ data: cast }, place, {
    fit: "width",
    idleTimeLimit: IDLE_LIMIT,
    poster: `npt:${Math.max(played, 1)}`,
    terminalFontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"),
  });
  // Its own `startAt` counts another way where the moment is in idle time.
  if (played > 0) await player.seek(played);
  return { player, clock };
}

try {
  const { player, clock } = await show();
  link.addEventListener("click", async () => {
    const address = new URL(location.href);
    address.searchParams.set("t", clock.happened(await player.getCurrentTime()).toFixed(3));
    history.replaceState(null, "", address);
    const label = link.querySelector("[data-copy-label]");
    await navigator.clipboard?.writeText(address.href).catch(() => {});
    label.textContent = "Copied";
    setTimeout(() => {
      label.textContent = "Link to this moment";
    }, 1500);
  });
} catch (error) {
  const words = document.createElement("p");
  words.className = "panel-pad";
  words.textContent = `The recording cannot be played. ${error.message}`;
  place.replaceChildren(words);
  link.hidden = true;
}
