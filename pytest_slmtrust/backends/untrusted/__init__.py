"""Untrusted files and programs, read and run in a child process with limits before this process touches them."""
