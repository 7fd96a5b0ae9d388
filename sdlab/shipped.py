"""The small model that ships with the package: the name that it goes by, and where it lies."""

from pathlib import Path

EMBEDDED = "embedded"
FOLDER = Path(__file__).parent / "models" / EMBEDDED
