/** The page of one session. */

import { bindEndButtons } from "porthole/pages/end-button.js";

const AGAIN_MS = 1000;

bindEndButtons(() => setTimeout(() => location.reload(), AGAIN_MS));
