"""The demo: two small organizations, a playground on this machine, and what runs in the engines that answer here.

`manage.py demo` loads it as often as one likes. It makes what is missing and takes back nothing that a person did.
"""
