/**
 * A window that is closed says so in its last moment; a lost connection says nothing. No browser can tell a reload from
 * a closed tab by then, so the portal waits a while for the window before it ends anything.
 */

/** @param {{leave: () => void, back: () => void}} window `back`: the browser shows the page again as it was. */
export function bindLeaving({ leave, back }) {
  addEventListener("pagehide", leave);
  addEventListener("pageshow", ({ persisted }) => persisted && back());
}
