"""`python -m porthole`."""

from porthole.main import main

main()
