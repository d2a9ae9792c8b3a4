/** The button that turns light to dark and back. */
export function bindThemeToggle(root = document) {
  for (const button of root.querySelectorAll("[data-theme-toggle]")) {
    button.addEventListener("click", () => {
      const dark = document.documentElement.dataset.bsTheme === "dark";
      document.dispatchEvent(new CustomEvent("porthole:set-theme", { detail: dark ? "light" : "dark" }));
    });
  }
}
