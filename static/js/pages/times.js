/** Keeps relative times true while a page stays open. The words are those of the template filter `ago`. */

const EVERY_MS = 20_000;
const STEPS = [
  [60, 1, "s"],
  [3600, 60, "min"],
  [86_400, 3600, "h"],
  [Infinity, 86_400, "d"],
];

/** @param {Date} then @param {Date} [now] */
export function ago(then, now = new Date()) {
  const seconds = Math.round((now - then) / 1000);
  const distance = Math.abs(seconds);
  if (distance < 5) return "now";
  const [, size, unit] = STEPS.find(([limit]) => distance < limit);
  const text = `${Math.floor(distance / size)} ${unit}`;
  return seconds > 0 ? `${text} ago` : `in ${text}`;
}

const SOON_MS = 300_000;

/** As the template filter `remaining` says it. @param {HTMLTimeElement} time */
function tellEnd(time) {
  const then = new Date(time.dateTime);
  const left = then - new Date();
  time.textContent = left < 5000 ? "ending now" : `ends ${ago(then)}`;
  time.toggleAttribute("data-soon", left < SOON_MS);
}

export function bindTimes() {
  setInterval(() => {
    if (document.hidden) return;
    for (const time of document.querySelectorAll("time[data-ago]")) time.textContent = ago(new Date(time.dateTime));
    document.querySelectorAll("time[data-ends]").forEach(tellEnd);
  }, EVERY_MS);
}
