"""Starts the engine from a folder that holds it, installed or not: python3 FOLDER."""

from lode.engine.__main__ import main

main()
