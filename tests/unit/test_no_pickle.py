"""Nothing that a worker loads can run code of whoever wrote the file."""

import ast
from pathlib import Path

import pytest

from tests.support.sources import ROOT, imports, modules

LOADERS_OF_CODE = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
CALLS = {("yaml", "load"), ("yaml", "unsafe_load"), ("yaml", "full_load"), ("numpy", "load"), ("np", "load"),
         ("torch", "load"), ("pandas", "read_pickle"), ("pd", "read_pickle")}  # fmt: skip
HARMLESS = {"torch": ("weights_only", True), "np": ("allow_pickle", False), "numpy": ("allow_pickle", False)}
BARE = {"eval", "exec", "compile", "__import__"}


def dangers(source: str) -> set[str]:
    """What in a source would run what it reads."""
    found = imports(source) & LOADERS_OF_CODE
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called, options = node.func, {one.arg: one.value for one in node.keywords}
        if isinstance(called, ast.Name) and called.id in BARE:
            found.add(called.id)
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            name = (called.value.id, called.attr)
            harmless = {
                "torch": ("weights_only", True),
                "np": ("allow_pickle", False),
                "numpy": ("allow_pickle", False),
            }
            option, wanted = harmless.get(name[0], ("", None))
            value = options.get(option)
            safe = isinstance(value, ast.Constant) and value.value is wanted
            if name in CALLS and not safe:
                found.add(".".join(name))
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_loads_code(path: Path) -> None:
    """No pickle under any name, and no loader that falls back to one."""
    assert set() == dangers(path.read_text("utf-8"))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import pickle", {"pickle"}),
        ("def f():\n    from joblib import load", {"joblib"}),
        ("import torch\ntorch.load('x')", {"torch.load"}),
        ("import torch\ntorch.load('x', weights_only=False)", {"torch.load"}),
        ("import torch\ntorch.load('x', weights_only=True)", set()),
        ("import numpy as np\nnp.load('x', allow_pickle=True)", {"np.load"}),
        ("import numpy as np\nnp.load('x', allow_pickle=False)", set()),
        ("import yaml\nyaml.load(x)", {"yaml.load"}),
        ("eval('1')", {"eval"}),
    ],
)
def test_what_would_load_code_is_found(source: str, expected: set[str]) -> None:
    """Each planted danger is seen, and its harmless form is not."""
    assert expected == dangers(source)
