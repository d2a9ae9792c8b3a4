/** The table of sessions: htmx fetches it again every two seconds, unless nobody looks. */

import "htmx.org";
import { bindEndButtons } from "porthole/pages/end-button.js";

const rows = () => document.querySelector("#session-rows");

document.addEventListener("htmx:before:request", (event) => {
  if (document.hidden) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) rows().dispatchEvent(new Event("refresh"));
});

bindEndButtons(() => rows().dispatchEvent(new Event("refresh")));

for (const form of document.querySelectorAll("[data-auto-submit]")) {
  form.addEventListener("change", () => form.requestSubmit());
  // Empty fields say nothing: keep them out of the address.
  form.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });
}
