/** The table of sessions: htmx fetches it again every two seconds, unless nobody looks. */

import { bindEndButtons } from "porthole/pages/end-button.js";
import { bindRefresh } from "porthole/pages/refresh.js";

bindEndButtons(bindRefresh("#session-rows"));

for (const form of document.querySelectorAll("[data-auto-submit]")) {
  form.addEventListener("change", () => form.requestSubmit());
  // Empty fields say nothing: keep them out of the address.
  form.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });
}
