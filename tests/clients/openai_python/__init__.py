"""The Python package `openai`, of any version from 1.91: a file for each part of the API."""
