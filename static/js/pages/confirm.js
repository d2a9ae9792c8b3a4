/** A form or htmx button with `data-confirm` asks before it acts. */

import { ask } from "porthole/dialog.js";

async function confirmed(element) {
  const verb = element.dataset.confirmVerb ?? "Go on";
  const answer = await ask({
    title: element.dataset.confirmTitle ?? `${verb}?`,
    text: element.dataset.confirm,
    choices: [
      { label: "Cancel", value: "" },
      { label: verb, value: "yes", kind: "danger" },
    ],
  });
  return answer === "yes";
}

export function bindConfirm() {
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.dataset?.confirm || form.dataset.confirmed) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!(await confirmed(form))) return;
    form.dataset.confirmed = "yes";
    form.requestSubmit();
    delete form.dataset.confirmed;
  }, { capture: true });
}
