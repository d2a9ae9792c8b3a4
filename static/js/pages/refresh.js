/** What htmx fetches again every few seconds is not fetched while nobody looks. */

import "htmx.org";

/** @param {string} selector The element that is fetched again. @returns {() => void} Fetches it at once. */
export function bindRefresh(selector) {
  const refresh = () => document.querySelector(selector).dispatchEvent(new Event("refresh"));
  document.addEventListener("htmx:before:request", (event) => {
    if (document.hidden) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
  return refresh;
}
