"""The screen of a session as it is now, for a window that does not know the session yet. No Django.

What a program has drawn is more than its newest output: modes that were switched on long ago, the title, what stands in
a line that was not touched since. So the browser's own terminal runs without a browser in a Node.js process
(`emulator/`), reads the session's journal when a screen is asked for, and draws what it has become as text that makes
any terminal equal to it. Live output never passes through it.

`process.py` is the client of that process, `screens.py` what a session host does with it: screens for windows, and in
the background keyframes, so that a screen is never more than a bounded piece of output away.
"""

from sessions_app.screens.process import ScreenError
from sessions_app.screens.screens import Output, Screen, Screens

__all__ = ["Output", "Screen", "ScreenError", "Screens"]
