"""The subcommands, by what they are about. What is slow to import is imported where it is used."""
