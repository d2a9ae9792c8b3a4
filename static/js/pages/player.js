/** Plays a recording: asciinema's player. The address may name a moment: `?t=83`. */

const place = document.querySelector("[data-player]");
const link = document.querySelector("[data-link-moment]");

function startAt() {
  const seconds = Number.parseFloat(place.dataset.start);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : 0;
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
  const at = startAt();
  return create({ data: cast }, place, {
    fit: "width",
    idleTimeLimit: 2,
    startAt: at,
    poster: `npt:${Math.max(at, 1)}`,
    terminalFontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"),
  });
}

try {
  const player = await show();
  link.addEventListener("click", async () => {
    const address = new URL(location.href);
    address.searchParams.set("t", String(Math.floor(await player.getCurrentTime())));
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
