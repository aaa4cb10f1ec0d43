"""The folder that Faust wants."""

from pathlib import Path

from models.stub import StubClassifier
from strategy.portfolio import load_portfolio
from streams.app import create_app
from streams.settings import load_settings
from streams.worker.deps import make_deps


def test_each_worker_has_a_folder_that_nobody_else_can_enter() -> None:
    """Two of one machine share none."""
    settings = load_settings(model="stub")
    deps = [make_deps(settings, StubClassifier(), load_portfolio()) for _ in range(2)]
    apps = [create_app(settings, one) for one in deps]
    folders = [Path(app.conf.datadir) for app in apps]
    assert 2 == len(set(folders))
    assert [0o700] * 2 == [folder.stat().st_mode & 0o777 for folder in folders]
