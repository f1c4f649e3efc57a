"""The generated native engine and feature pipeline as a library of an ecosystem, in its own layout.

A module for each: a pure function `files` from a Library to all that the export consists of.
"""
