/** Anything with `data-copy` puts that text on the clipboard when it is clicked, and says so. */

const SAID_MS = 1500;

async function copy(button) {
  const label = button.querySelector("[data-copy-label]") ?? button;
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    label.textContent = "Copied";
  } catch {
    label.textContent = "Press Ctrl-C to copy";
    getSelection()?.selectAllChildren(button);
  }
  button.setAttribute("aria-live", "polite");
  setTimeout(() => {
    label.textContent = before;
  }, SAID_MS);
}

export function bindCopy() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (button && button.ariaDisabled !== "true") copy(button);
  });
}
