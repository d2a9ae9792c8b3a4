/* Light or dark, before the first paint: hence a plain script in the head, not a module. */
(() => {
  const KEY = "porthole-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");

  const chosen = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off: the system's choice holds
    }
  };

  const apply = () => {
    const theme = chosen() ?? (system.matches ? "dark" : "light");
    document.documentElement.dataset.bsTheme = theme;
    document.dispatchEvent(new CustomEvent("porthole:theme", { detail: theme }));
  };

  system.addEventListener("change", apply);
  document.addEventListener("porthole:set-theme", (event) => {
    try {
      localStorage.setItem(KEY, event.detail);
    } catch {
      // Not remembered, but shown.
    }
    document.documentElement.dataset.bsTheme = event.detail;
    document.dispatchEvent(new CustomEvent("porthole:theme", { detail: event.detail }));
  });
  apply();
})();
