/** Home: the live sessions keep themselves true. */

import { bindRefresh } from "porthole/pages/refresh.js";

bindRefresh("#live-sessions");
