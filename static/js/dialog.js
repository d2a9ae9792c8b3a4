/** Questions and notices in the page's own look, with the browser's own <dialog>: focus, Escape and inertness included. */

/**
 * @param {object} question
 * @param {string} question.title
 * @param {string} question.text
 * @param {{label: string, value: string, kind?: "primary" | "danger"}[]} question.choices The first is the safe one.
 * @param {HTMLElement} [question.field] Something to choose or fill in, between the words and the buttons.
 * @returns {Promise<string>} The value that was chosen; "" if the dialog was left.
 */
export function ask({ title, text, choices, field }) {
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  const heading = document.createElement("h2");
  heading.id = `dialog-${Date.now()}`;
  heading.textContent = title;
  const words = document.createElement("p");
  words.textContent = text;
  const buttons = document.createElement("form");
  buttons.method = "dialog";
  buttons.className = "dialog-buttons";
  for (const { label, value, kind } of choices) {
    const button = document.createElement("button");
    button.value = value;
    button.textContent = label;
    button.className = kind ? `btn btn-${kind}` : "btn";
    // What the field holds already is the usual answer, so that Enter gives it.
    button.autofocus = Boolean(field) && kind === "primary";
    buttons.append(button);
  }
  dialog.setAttribute("aria-labelledby", heading.id);
  dialog.append(heading, words, ...(field ? [field] : []), buttons);
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
    dialog.showModal();
  });
}

/** Open a link whose text may hide where it leads, once the person has seen where. @param {string} url */
export async function openAfterAsking(url) {
  const answer = await ask({
    title: "Open this address?",
    text: url,
    choices: [
      { label: "Cancel", value: "" },
      { label: "Open", value: "open", kind: "primary" },
    ],
  });
  if (answer === "open") window.open(url, "_blank", "noopener,noreferrer");
}
