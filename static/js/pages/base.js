/** What every page has. */

import { bindConfirm } from "porthole/pages/confirm.js";
import { bindCopy } from "porthole/pages/copy.js";
import { bindMenus } from "porthole/pages/menu.js";
import { bindPalette } from "porthole/pages/palette.js";
import { bindThemeToggle } from "porthole/pages/theme-toggle.js";
import { bindTimes } from "porthole/pages/times.js";

bindConfirm();
bindCopy();
bindMenus();
bindPalette();
bindThemeToggle();
bindTimes();
