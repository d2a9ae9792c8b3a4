/** The terminal's colours: 16 that keep at least 4.5:1 on their background, for light and for dark. */

const LIGHT = {
  background: "#fbfcfd", foreground: "#1b2733", cursor: "#0b6e7f", cursorAccent: "#fbfcfd",
  selectionBackground: "#b5dde5", selectionInactiveBackground: "#dbe7ea",
  black: "#1b2733", red: "#b42318", green: "#216e39", yellow: "#855800",
  blue: "#1d5fbf", magenta: "#8e2f9c", cyan: "#0b6e7f", white: "#5b6875",
  brightBlack: "#5b6875", brightRed: "#c4320a", brightGreen: "#1a7f37", brightYellow: "#8a5a00",
  brightBlue: "#1554ad", brightMagenta: "#9c27b0", brightCyan: "#00717f", brightWhite: "#3a4754",
};

const DARK = {
  background: "#0e1620", foreground: "#d7e0ea", cursor: "#4fd1dc", cursorAccent: "#0e1620",
  selectionBackground: "#24566a", selectionInactiveBackground: "#22384a",
  black: "#5d6b7a", red: "#ff7b72", green: "#63d188", yellow: "#e3b341",
  blue: "#79b8ff", magenta: "#d2a8ff", cyan: "#4fd1dc", white: "#c3ced9",
  brightBlack: "#8494a4", brightRed: "#ff9a91", brightGreen: "#86e2a2", brightYellow: "#f2cc60",
  brightBlue: "#a5d0ff", brightMagenta: "#e2c5ff", brightCyan: "#86e3ea", brightWhite: "#f4f7fa",
};

/** @param {boolean} dark */
export const terminalTheme = (dark) => (dark ? DARK : LIGHT);
