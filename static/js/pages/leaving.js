/** A window that is closed says so in its last moment. A reload is no such thing, and a lost connection says nothing. */

/**
 * @param {object} window
 * @param {() => void} window.leave Tells the portal that its person closed the window.
 * @param {() => void} window.back Called when the browser shows the page again as it was.
 * @param {boolean} window.autoClose A closed window ends its session: then only a browser that knows a reload may say it.
 */
export function bindLeaving({ leave, back, autoClose }) {
  const { navigation } = globalThis;
  let reloads = false;
  navigation?.addEventListener("navigate", ({ navigationType }) => {
    reloads = navigationType === "reload";
  });
  addEventListener("pagehide", () => {
    if (!reloads && (navigation || !autoClose)) leave();
  });
  addEventListener("pageshow", ({ persisted }) => persisted && back());
}
