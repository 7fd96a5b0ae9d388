"""Whether a spreadsheet runs anything in an exported CSV, and reads its words: LibreOffice does it.

The file is opened as a spreadsheet set to each list separator would open it, and formulas are
counted in what it made of it. Beside it stands the same table as pandas writes it, which shows that
the question is asked rightly: there formulas are found.

Run: python benchmarks/spreadsheet.py [--quick] [--json]     (Debian: apt-get install
libreoffice-calc; without `soffice` on the path there is nothing to measure, and it says so)
"""

import shutil
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
from report import Report

from sdlab.runs.export import csv_bytes

STARTS = ("=1+1", "+1+1", "-1+1", "@SUM(1)", "＝1+1", "－1+1")
BEFORE = ("", " ", "\t", "\n", "\r\n", "\u3000", "\u200b", '"')
ENDS = ("", "a cat;", "a cat\t", "a cat|", "a cat\n", "a cat\r\n", "a cat, ", 'a "cat";')
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
WORDS = ("Café", "猫", "naïve", "façade, mer")
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"


def hostile() -> pd.DataFrame:
    """Return a table whose texts try to become formulas, first, last and between numbers."""
    cells = [end + before + start for start in STARTS for before in BEFORE for end in ENDS]
    cells += [f"{cell};{cell}\n{cell}" for cell in cells[:: len(ENDS)]]
    return pd.DataFrame({"word": cells, "n": range(len(cells)), "again": cells, "x": -1.5})


def opened(data: bytes, separator: str, folder: Path) -> ElementTree.Element:
    """Return the document that LibreOffice makes of a CSV file, set to a separator."""
    (folder / "table.csv").write_bytes(data)
    how = f"CSV:{ord(separator)},34,76,1"  # separator, text mark ", UTF-8, from the first line
    command = ["soffice", f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--headless"]
    command += [f"--infilter={how}", "--convert-to", "fods", "--outdir", str(folder)]
    subprocess.run([*command, str(folder / "table.csv")], check=True, capture_output=True)
    return ElementTree.parse(folder / "table.fods").getroot()


def formulas(document: ElementTree.Element) -> int:
    """Return how many cells are formulas."""
    return sum(
        cell.get(f"{TABLE}formula") is not None for cell in document.iter(f"{TABLE}table-cell")
    )


def words(document: ElementTree.Element) -> int:
    """Return how many of the words with letters beyond ASCII are there as they were."""
    texts = {"".join(cell.itertext()).strip() for cell in document.iter(f"{TABLE}table-cell")}
    return sum(word in texts for word in WORDS)


def main():
    """Measure and print."""
    report = Report(__doc__)
    report.head()
    if shutil.which("soffice") is None:
        print("LibreOffice is not installed (no `soffice`): nothing is measured.")
        report.close()
        return
    table = hostile()
    plain = table.to_csv(index=False, lineterminator="\r\n").encode()
    chosen = ("comma", "semicolon") if report.arguments.quick else SEPARATORS
    with tempfile.TemporaryDirectory() as place:
        for name in chosen:
            found = formulas(opened(csv_bytes(table), SEPARATORS[name], Path(place)))
            report.add(f"formulas in a CSV of ours, separator {name}", found, goal="<= 0")
            found = formulas(opened(plain, SEPARATORS[name], Path(place)))
            report.add(f"formulas in the same as pandas writes it, separator {name}", found)
        data = csv_bytes(pd.DataFrame({"word": WORDS}))
        read = words(opened(data, ",", Path(place)))
        report.add("words beyond ASCII read as they were, of 4", read, goal=">= 4")
    report.close()


if __name__ == "__main__":
    main()
