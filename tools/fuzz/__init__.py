"""Developers' fuzzer: damaged and foreign files for every reader."""
