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

async function show() {
  const { create } = await playerScript();
  const cast = place.dataset.cast;
  const response = await fetch(cast, { credentials: "same-origin" });
  if (!response.ok) throw new Error(`The recording cannot be read (${response.status}).`);
  place.replaceChildren();
  const at = startAt();
  return create({ data: await response.text() }, place, {
    fit: "both",
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
