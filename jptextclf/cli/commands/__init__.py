"""The commands, one file each: a file is the registration."""
