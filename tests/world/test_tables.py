"""Parquet files and workbooks in the forms that programs of others write, into a running job."""

import io
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from arro3.core import Array, DataType, Table
from arro3.io import write_parquet

from tests.support.sheets import Inline, open_document, workbook
from tests.world.conftest import World

pytestmark = pytest.mark.timeout(90)

NUMBER = 40
CATEGORIES = DataType.dictionary(DataType.int32(), DataType.string())
HEADER = ("id", "market", "text", "occurred_at", "rating")
PARQUET: Mapping[str, dict[str, Any]] = {
    "as the JVM writes it": {"compression": "snappy", "skip_arrow_metadata": True, "dictionary_enabled": True},
    "pages of version 2": {"compression": "zstd(3)", "writer_version": "parquet_2_0"},
    "many groups of rows": {"compression": "gzip(6)", "max_row_group_size": 7, "dictionary_enabled": False},
    "brotli": {"compression": "brotli(3)", "data_page_row_count_limit": 5},
    "lz4": {"compression": "lz4_raw", "bloom_filter_enabled": True},
}


def parquet(name: str, at: datetime, **options: Any) -> bytes:
    """Events with an index of rows, ratings that are floats with gaps, and times in µs without a zone."""
    micros = [int((at - datetime(1970, 1, 1)) / timedelta(microseconds=1))] * NUMBER
    columns = {
        "id": Array([f"{name}-{place}" for place in range(NUMBER)], DataType.large_string()),
        "market": Array(["DE"] * NUMBER, DataType.string()).cast(CATEGORIES),
        "text": Array(["gut"] * NUMBER, DataType.string()),
        "occurred_at": Array(micros, DataType.int64()).cast(DataType.timestamp("us")),
        "rating": Array([4.0, None] * (NUMBER // 2), DataType.float64()),
        "__index_level_0__": Array(range(NUMBER), DataType.int64()),
    }
    made = io.BytesIO()
    write_parquet(Table.from_pydict(columns), made, **options)
    return made.getvalue()


def published(world: World, path: Path, content: bytes) -> None:
    """All of it is counted, once."""
    path.write_bytes(content)
    done = world.job.cli("publish", str(path), "--timezone", "UTC", "--resume", f"{path}.position")
    assert (0, True) == (done.returncode, done.stdout.startswith(f"{NUMBER} records published")), done.stderr
    world.counts(accepted=NUMBER)


def now() -> datetime:
    """The time in UTC, without a zone, as such files have it."""
    return datetime.fromtimestamp(int(time.time()), UTC).replace(tzinfo=None)


@pytest.mark.parametrize("name", PARQUET)
def test_parquet_is_counted(world: World, tmp_path: Path, name: str) -> None:
    """Whatever its pages, codecs and metadata are."""
    published(world, tmp_path / "a.parquet", parquet(name, now(), **PARQUET[name]))


@pytest.mark.parametrize("name", ["shared texts", "inline texts", "Open Document"])
def test_a_sheet_is_counted(world: World, tmp_path: Path, name: str) -> None:
    """With dates of cells, under a title."""
    text = Inline if name == "inline texts" else str
    rows = [(text(f"{name}-{place}"), text("DE"), text("gut"), now(), 4) for place in range(NUMBER)]
    if name == "Open Document":
        published(world, tmp_path / "a.ods", open_document([("Reviews",), HEADER, *rows]))
    else:
        published(world, tmp_path / "a.xlsx", workbook({"A": [("Reviews",), HEADER, *rows]}))
