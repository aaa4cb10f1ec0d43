"""Workbooks as spreadsheet programs write them: a zip of XML files, or records in a compound file."""

import io
import struct
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


def old_workbook(rows: Sequence[Sequence[Any]]) -> bytes:
    """An XLS file of one sheet: records of BIFF 8 in a compound file of 512-byte sectors."""
    formats = b"".join(_record(0xE0, struct.pack("<HH16x", 0, number)) for number in (0, 22, 14))
    begin = _record(0x809, struct.pack("<HH12x", 0x600, 5)) + _record(0x42, struct.pack("<H", 1200)) + formats
    name = b"\x06\x00Sheet1"
    place = len(begin) + 4 + 6 + len(name) + 4
    listed = _record(0x85, struct.pack("<IH", place, 0) + name) + _record(0x0A, b"")
    cells = b"".join(
        _old_cell(value, row, column) for row, values in enumerate(rows) for column, value in enumerate(values)
    )
    sheet = _record(0x809, struct.pack("<HH12x", 0x600, 0x10)) + cells + _record(0x0A, b"")
    stream = begin + listed + sheet
    sectors = max(8, -(-len(stream) // 512))  # a stream below 4,096 bytes would be kept elsewhere
    chain = [0xFFFFFFFD, 0xFFFFFFFE, *range(3, sectors + 2), 0xFFFFFFFE]
    table = struct.pack("<128I", *chain, *[0xFFFFFFFF] * (128 - len(chain)))
    folder = _entry("Root Entry", 5, 1, 0xFFFFFFFE, 0) + _entry("Workbook", 2, -1, 2, sectors * 512) + bytes(256)
    head = struct.pack(
        "<8s16xHHHHH6xIIIIIIIII", bytes.fromhex("d0cf11e0a1b11ae1"), 0x3E, 3, 0xFFFE, 9, 6,
        0, 1, 1, 0, 4_096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0,
    )  # fmt: skip
    return head + struct.pack("<109I", 0, *[0xFFFFFFFF] * 108) + table + folder + stream.ljust(sectors * 512, b"\0")


def _entry(name: str, kind: int, child: int, sector: int, size: int) -> bytes:
    text = name.encode("utf-16-le")
    return struct.pack(
        "<64sHBBiii16xI16xIQ", text, len(text) + 2, kind, 1, -1, -1, child, 0, sector, size
    )  # fmt: skip


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def _old_cell(value: Any, row: int, column: int) -> bytes:
    match value:
        case None:
            return b""
        case bool():
            return _record(0x205, struct.pack("<HHHBB", row, column, 0, value, 0))
        case str():
            text = value.encode("utf-16-le")
            return _record(0x204, struct.pack("<HHHHB", row, column, 0, len(value), 1) + text)
        case datetime():
            days = (value - datetime(1899, 12, 30)).total_seconds() / 86_400
            return _record(0x203, struct.pack("<HHHd", row, column, DATE_TIME, days))
        case number:
            return _record(0x203, struct.pack("<HHHd", row, column, 0, number))


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
