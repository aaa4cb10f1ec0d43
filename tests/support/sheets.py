"""Workbooks as spreadsheet programs write them: a zip of XML files."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from xml.sax.saxutils import escape

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OPEN = "urn:oasis:names:tc:opendocument:xmlns"
DATE_TIME, DATE = 1, 2
"""Styles of cells, by their place in `cellXfs`; 22 and 14 are formats that every program knows."""


class Inline(str):
    """A text that is in its cell; others are in the list of shared texts, as Excel writes them."""


class Xml(str):
    """A cell as it is in the file."""


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """An archive of these files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def workbook(
    sheets: Mapping[str, Sequence[Sequence[Any]]], hidden: Sequence[str] = (), since_1904: bool = False
) -> bytes:
    """An XLSX file: rows of texts, numbers, truths, dates and nothing by the name of their sheet."""
    shared: list[str] = []
    epoch = datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 30)
    files: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
        "_rels/.rels": _relations({"rId1": ("officeDocument", "xl/workbook.xml")}),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}">'
        f'<workbookPr date1904="{int(since_1904)}"/><sheets>'
        + "".join(
            f'<sheet name="{escape(name)}" sheetId="{number}" r:id="rId{number}" '
            f'state="{"hidden" if name in hidden else "visible"}"/>'
            for number, name in enumerate(sheets, 1)
        )
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": _relations(
            {f"rId{number}": ("worksheet", f"worksheets/sheet{number}.xml") for number in range(1, len(sheets) + 1)}
        ),
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="22"/>'
        '<xf numFmtId="14"/></cellXfs></styleSheet>',
    }
    for number, rows in enumerate(sheets.values(), 1):
        content = "".join(_row(row, place, shared, epoch) for place, row in enumerate(rows, 1))
        files[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{_MAIN}"><sheetData>{content}</sheetData></worksheet>'
        )
    texts = "".join(f"<si><t>{escape(text)}</t></si>" for text in shared)
    files["xl/sharedStrings.xml"] = f'<sst xmlns="{_MAIN}">{texts}</sst>'
    return zipped(files)


def open_document(rows: Sequence[Sequence[Any]]) -> bytes:
    """An ODS file of one sheet, with the empty rows and cells behind its end that LibreOffice writes."""
    content = "".join(
        "<table:table-row>"
        + "".join(map(_open_cell, row))
        + '<table:table-cell table:number-columns-repeated="16000"/>'
        "</table:table-row>"
        for row in rows
    )
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": f'<manifest:manifest xmlns:manifest="{_OPEN}:manifest:1.0"/>',
            "content.xml": f'<office:document-content xmlns:office="{_OPEN}:office:1.0" '
            f'xmlns:table="{_OPEN}:table:1.0" xmlns:text="{_OPEN}:text:1.0"><office:body><office:spreadsheet>'
            f'<table:table table:name="Sheet1">{content}<table:table-row table:number-rows-repeated="1048000">'
            '<table:table-cell table:number-columns-repeated="16384"/></table:table-row></table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        }
    )


def _relations(targets: Mapping[str, tuple[str, str]]) -> str:
    listed = "".join(
        f'<Relationship Id="{key}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for key, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'


def _letter(column: int) -> str:
    return chr(ord("A") + column)


def _row(row: Sequence[Any], place: int, shared: list[str], epoch: datetime) -> str:
    cells = (_cell(value, f"{_letter(column)}{place}", shared, epoch) for column, value in enumerate(row))
    return f'<row r="{place}">{"".join(cells)}</row>'


def _cell(value: Any, place: str, shared: list[str], epoch: datetime) -> str:
    match value:
        case None:
            return ""
        case Xml():
            return value
        case Inline():
            return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        case str():
            shared.append(value)
            return f'<c r="{place}" t="s"><v>{len(shared) - 1}</v></c>'
        case bool():
            return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
        case datetime():
            return f'<c r="{place}" s="{DATE_TIME}"><v>{(value - epoch).total_seconds() / 86_400!r}</v></c>'
        case date():
            return f'<c r="{place}" s="{DATE}"><v>{(value - epoch.date()).days}</v></c>'
        case number:
            return f'<c r="{place}"><v>{number}</v></c>'


def _open_cell(value: Any) -> str:
    match value:
        case None:
            return "<table:table-cell/>"
        case datetime():
            return f'<table:table-cell office:value-type="date" office:date-value="{value.isoformat()}"/>'
        case int() | float():
            return f'<table:table-cell office:value-type="float" office:value="{value}"/>'
        case text:
            return f'<table:table-cell office:value-type="string"><text:p>{escape(text)}</text:p></table:table-cell>'
