"""Moves the modules of streams/ into folders, splits modules, and checks that nothing but places changed.

    python tools/move_to_folders.py move [FOLDER ...]         whole files: one commit a folder (all without FOLDER)
    python tools/move_to_folders.py split [FOLDER ...]        rows of tools/splits.toml: one commit a target folder
    python tools/move_to_folders.py imports                   tests/unit/test_imports.py by folder, one commit; again after splits
    python tools/move_to_folders.py check BASE [HEAD]         trees of all code, imports, renames; --split after splits
    python tools/move_to_folders.py tests BASE_IDS HEAD_IDS   collected test ids (pytest --collect-only -q) the same
    python tools/move_to_folders.py rewrite DIRECTORY         old names in scripts outside of the repository
    python tools/move_to_folders.py left                      old names that are still mentioned, modules without a row

Run it at the root of a clean checkout with the project's Python (it calls ruff beside it). --no-commit leaves the last
step to look at. The order, with T=tools/move_to_folders.py, P=.venv/bin/python and B=$(git rev-parse HEAD) at the start:

    $P -m pytest --collect-only -q -p no:randomly --ignore tests/deploy > ids-base.txt
    $P $T left                                              a module without a row: add a line to tools/moves.tsv
    $P $T move                                              may stop after any folder and go on later
    $P -m pip install --no-deps --no-build-isolation -e .   marketpulse/ is a new package
    $P $T check $B; $P $T imports; $P $T split; $P $T check $B HEAD --split
    $P -m pytest --collect-only -q -p no:randomly --ignore tests/deploy > ids-head.txt
    $P $T tests ids-base.txt ids-head.txt
    $P $T rewrite DIRECTORY                                 copies of scripts that import the old names

It goes (git rm -r tools) once the move is done. Not moved by it: the carving of Ledger (steps, outbox, operator) and Source
(claims), measured_confusion, new_mute, cli/output.py; the exceptions that only changed signatures can end stand in KNOWN of
the new tests/unit/test_imports.py.
"""

# ruff: noqa
import ast
import collections
import functools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
ROOT = Path.cwd()
BIN = Path(sys.executable).parent
PACKAGES = ("streams", "models", "strategy", "marketpulse")

DOCSTRINGS = {
    "streams/privacy": "What keeps people out of what is stored: redaction of texts, hashes of users.",
    "streams/kafka": "How Kafka is spoken to: connection, errors, topics, publishing, reading to the end.",
    "streams/ledger": "Where counts are kept: Redis, its keys and the scripts that change it.",
    "streams/access": "Who may do what in Kafka and Redis.",
    "streams/telemetry": "What is measured and logged: instruments, logs, progress, spans.",
    "streams/pipeline": "The data's way, stage by stage: ingest, classify, count, detect, rollup, reallocate.",
    "streams/pipeline/operators": "What people put in: profiles of markets, mutes, rules.",
    "streams/pipeline/ingest": "Stage 1: records of Kafka to decoded batches.",
    "streams/pipeline/classify": "Stage 2: decoded batches to scored batches.",
    "streams/pipeline/count": "Stage 3: scored batches to counts in the ledger.",
    "streams/pipeline/detect": "Stage 4: counts to alerts and shifts; pure.",
    "streams/pipeline/rollup": "Stage 5: once a second, what was counted to metrics, alerts and the journal.",
    "streams/pipeline/reallocate": "Stage 6: a shift to an allocation of the budget.",
    "streams/serving": "What processes that answer HTTP share: sockets, probes, how they end.",
    "streams/backtest": "Rules tried on made-up input and on the past.",
    "streams/worker": "The worker process: what drives it and what its agents share.",
    "streams/dev": "Servers, feeds and runs for development, demonstrations and benchmarks.",
    "streams/dev/bench": "Benchmarks of the engine.",
    "streams/dev/embedded": "A real Kafka and Redis as child processes, and workers beside them.",
    "streams/dev/feeds": "Feeds: files, simulated events with scripted incidents.",
    "streams/cli": "The command line, one file per group of commands.",
    "streams/contract": "Types of the journal: internal, what the wire has is in `marketpulse.contract`.",
    "marketpulse": "The public face of Marketpulse: what other services import.",
    "marketpulse/client": "Clients: what reads the tables and what publishes feedback.",
    "marketpulse/contract": "What crosses the wire: types, names, codes, decoding.",
}

MAP = '''"""The engine: events in, metrics, alerts and allocations out. One line a folder, in the order an event meets them.

contract     types of the journal; what the wire has is in `marketpulse.contract`, the clients in `marketpulse.client`
privacy      redaction, numbers, hashes of users
kafka        how Kafka is spoken to
ledger       where counts are kept: Redis and its scripts
access       who may do what in Kafka and Redis
telemetry    instruments, logs, progress, spans
pipeline     the data's way: operators, ingest, classify, count, detect, rollup, reallocate
serving      what processes that answer HTTP share
worker       the worker process; `app.py` puts it together, `agents.py` is the whole pipeline on one page
intake       events by HTTP
dashboard    the live page
notify       alerts to where people are
recovery     first start, verify, replay, rebuild, reset, erase
backtest     rules tried on made-up input and on the past
dev          embedded servers, feeds, runs, benchmarks
cli          the command line
"""
'''

# Edits beside names of modules: folder -> (files, regular expression, replacement). A pattern that matches nothing is printed.
EDITS = {
    "ledger": [
        (
            "streams/ledger/commit.py tests/simulation/network.py tests/simulation/real_redis.py tests/simulation/test_contract.py",
            r'files\("streams"\) / "lua"',
            'files("streams.ledger") / "lua"',
        ),
        (
            "pyproject.toml",
            r'streams = \["lua/\*\.lua", "\*\.toml"\]',
            'streams = ["*.toml"]\n"streams.ledger" = ["lua/*.lua"]',
        ),
        ("docs/glossary.md", r"`(claim|cut|publish)\.lua`", r"`streams/ledger/lua/\1.lua`"),
    ],
    "kafka": [
        (
            "docs/architecture.md",
            r"journal\.py, chain\.py, log_reader\.py      ",
            "journal.py, chain.py, ../kafka/log_reader.py  ",
        ),
    ],
    "backtest": [
        (
            "docs/architecture.md",
            r"( {6})what_if\.py: side_by_side\.py( +)",
            r"\1../backtest/journal.py: side_by_side.py  ",
        ),
    ],
    "telemetry": [
        (
            "streams/telemetry/worker.py",
            r"declared in `streams/telemetry/instruments\.py`",
            "declared in `instruments.py`",
        ),
    ],
    "pipeline/classify": [
        (
            "streams/batches.py",
            r"`streams/pipeline/classify/scored_batches\.py`",
            "`pipeline/classify/scored_batches.py`",
        ),
    ],
    "pipeline/rollup": [
        ("streams/metric_types.py", r"`streams/pipeline/rollup/metrics\.py`", "`pipeline/rollup/metrics.py`"),
    ],
    "contract": [
        ("streams/__init__.py", r"(?s)\A.*\Z", MAP),
        (
            "docs/how-to/publish-feedback.md",
            r"(from marketpulse\.contract\.decode import .*\n)(from marketpulse\.client\.producer import .*\n)",
            r"\2\1",
        ),
    ],
    "dashboard": [  # until `read_history` is cut free of the ledger
        (
            "tests/unit/test_imports.py",
            r'if name\.startswith\("streams/dashboard/"\):',
            'if name.startswith("streams/dashboard/") and not name.endswith("/history.py"):',
        ),
    ],
    "dev": [
        (
            "streams/dev/embedded/programs.py",
            r'files\("streams"\) / "embedded_pins\.toml"',
            'files("streams.dev.embedded") / "pins.toml"',
        ),
        ("pyproject.toml", r'(?m)^streams = \["\*\.toml"\]\n', ""),
        (
            "pyproject.toml",
            r'"streams\.ledger" = \["lua/\*\.lua"\]',
            '"streams.dev.embedded" = ["*.toml"]\n"streams.ledger" = ["lua/*.lua"]',
        ),
        ("pyproject.toml", r"\{streams/simulated_texts,", "{streams/dev/feeds/phrases,"),
        ("docs/detectors.md docs/glossary.md", r"streams/detector_bench/", "streams/dev/bench/detectors/"),
    ],
    "cli": [
        ("CONTRIBUTING.md", r"`streams/cli\*\.py` import", "`streams/cli/*.py` import"),
        ("streams/cli/main.py", r'\n\nif __name__ == "__main__":\n    main\(\)\n', ""),
    ],
    "docs/generate": [
        (
            "tests/support/sources.py",
            r"for package in PACKAGES for path",
            'for package in (*PACKAGES, "docs/generate") for path',
        ),
        (
            "pyproject.toml",
            r'packages = \["streams", "models", "strategy"\]',
            'packages = ["streams", "models", "strategy", "docs.generate"]',
        ),
    ],
    "client": [
        (
            "deploy/Dockerfile.cpu deploy/Dockerfile.gpu",
            r"(?m)^COPY streams streams\n",
            "COPY marketpulse marketpulse\nCOPY streams streams\n",
        ),
        (".dockerignore", r"(?m)^!streams\n", "!marketpulse\n!streams\n"),
        (
            "pyproject.toml",
            r'packages = \["streams", "models", "strategy", "docs',
            'packages = ["marketpulse", "streams", "models", "strategy", "docs',
        ),
        ("tests/support/sources.py", r'PACKAGES = \("streams"', 'PACKAGES = ("marketpulse", "streams"'),
        ("tests/fuzz/run.py", r'include=\["streams"', 'include=["marketpulse", "streams"'),
    ],
}
CREATED = {
    "cli": {
        "streams/cli/__main__.py": '"""`python -m streams.cli`: the command line, as the script `marketpulse`."""\n\n'
        "from streams.cli.main import main\n\n"
        'if __name__ == "__main__":\n    main()\n'
    }
}
UNTOLD = {"charts.py"}  # bare names that docs/architecture.md gives to files of another folder
SKIPPED = ("CHANGELOG.md", "tools/", "tests/fuzz/corpus/", "models/artifacts/", "requirements/", "tests/data/")


def run(*command, check=True):
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True)
    if check and done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def rows():
    lines = [
        line.split("\t") for line in (TOOLS / "moves.tsv").read_text("utf-8").splitlines() if line and line[0] != "#"
    ]
    found = {}
    for folder, old, new in lines:
        found.setdefault(folder, {})[old] = new
    return found


def module(path):
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def modules_of(moves):
    found = {module(old): module(new) for old, new in moves.items() if old.endswith(".py")}
    if "streams/detector_bench/__init__.py" in moves:
        found["streams.detector_bench"] = "streams.dev.bench.detectors"
    return found


def texts(folder=None):
    """Text files that may name modules."""
    if folder is None:
        names = run("git", "ls-files").splitlines()
        names = [one for one in names if not one.startswith(SKIPPED)]
        base = ROOT
    else:
        base = Path(folder)
        names = [str(path.relative_to(base)) for path in base.rglob("*") if path.is_file() and ".git/" not in str(path)]
    for name in names:
        path = base / name
        if path.is_symlink() or not path.is_file():
            continue
        try:
            yield path, path.read_text("utf-8")
        except UnicodeDecodeError:
            continue


# ---- names of modules


def dotted(text, modules):
    """`streams.x` and all below it, wherever it stands; `-m streams.cli` stays, a package can be run."""

    def new(match):
        parts = match[0].split(".")
        for size in range(len(parts), 1, -1):
            old = ".".join(parts[:size])
            if old in modules:
                if old == "streams.cli" and re.search(r"-m[\"', ]+$", text[max(0, match.start() - 8) : match.start()]):
                    return match[0]
                return ".".join([modules[old], *parts[size:]])
        return match[0]

    return re.sub(r"(?<![\w.])(?:streams|tests)(?:\.\w+)+", new, text)


def paths(text, moves):
    if not moves:
        return text
    old = "|".join(re.escape(one) for one in sorted(moves, key=len, reverse=True))
    return re.sub(rf"(?<![\w-])(?:{old})(?!\w)", lambda match: moves[match[0]], text)


def bare(name, text, moves):
    """`x.py` without its folder in tables and in docs/architecture.md."""
    if not name.endswith(".md") or "how-to" in name:
        return text
    drawing = name == "docs/architecture.md"

    def new(match):
        old = f"streams/{match[1]}"
        if old not in moves or drawing and match[1] in UNTOLD:
            return match[0]
        return moves[old].removeprefix("streams/") if drawing else moves[old]

    token = r"(?<![\w./*-])([a-z_]+(?:/[a-z_]+)?\.(?:py|lua|toml))(?!\w|\.\w)"
    lines = []
    for line in text.split("\n"):
        if drawing:
            line = aligned(line, re.sub(token, new, line))
        elif "streams/" in line:
            line = re.sub(rf"(?<=`){token}(?=`)", new, line)
        lines.append(line)
    return "\n".join(lines)


def aligned(old, new):
    """What stands to the right in a drawing stays in its column where there is room."""
    parts = re.fullmatch(r"(\s+\S.*?\S) {2,}(\S.*)", old)
    if parts is None or old == new or not new.endswith(parts[2]):
        return new
    head = new.removesuffix(parts[2]).rstrip()
    return head.ljust(max(len(head) + 2, len(old) - len(parts[2]))) + parts[2]


def from_package(text, modules):
    """`from streams import x` where x is a module that moves."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text
    lines = text.split("\n")
    nodes = [one for one in ast.walk(tree) if isinstance(one, ast.ImportFrom) and one.module and not one.level]
    for node in sorted(nodes, key=lambda one: -one.lineno):
        moved = [one for one in node.names if f"{node.module}.{one.name}" in modules]
        if not moved:
            continue
        kept = [one for one in node.names if one not in moved]
        indent = lines[node.lineno - 1][: node.col_offset]
        tail = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
        made = [f"from {node.module} import {', '.join(map(alias, kept))}"] if kept else []
        for one in moved:
            package, _, base = modules[f"{node.module}.{one.name}"].rpartition(".")
            local = one.asname or one.name
            made.append(f"from {package} import {base}" + (f" as {local}" if local != base else ""))
        lines[node.lineno - 1 : node.end_lineno] = [indent + one for one in made[:-1]] + [indent + made[-1] + tail]
    return "\n".join(lines)


def alias(one):
    return f"{one.name} as {one.asname}" if one.asname else one.name


def deeper(text, old, new):
    """`Path(__file__).parents[n]` of a file that lies deeper now."""
    change = new.count("/") - old.count("/")
    return re.sub(
        r"(Path\(__file__\)(?:\.resolve\(\))?\.parents\[)(\d+)",
        lambda found: f"{found[1]}{int(found[2]) + change}",
        text,
    )


def rewrite(moves, folder=None):
    modules = modules_of(moves)
    back = {new: old for old, new in moves.items()}
    changed = []
    for path, text in texts(folder):
        name = str(path.relative_to(folder or ROOT))
        made = paths(dotted(text, modules), moves)
        if path.suffix == ".py":  # last: a folder may have the name of a module that moves
            made = from_package(made, modules)
        made = bare(name, made, moves)
        if folder is None and name in back and path.suffix == ".py":
            if "Path(__file__).parent." in made or "Path(__file__).parent /" in made:
                print(f"  look at Path(__file__).parent in {name}")
            made = deeper(made, back[name], name)
        if made != text:
            path.write_text(made, "utf-8")
            changed.append(path)
    return changed


def edit(folder):
    for files, pattern, new in EDITS.get(folder, []):
        for name in files.split():
            path = ROOT / name
            text = path.read_text("utf-8") if path.exists() else ""
            made, count = re.subn(pattern, new, text)
            if not count:
                print(f"  NOTHING to edit in {name}: {pattern}")
            elif made != text:
                path.write_text(made, "utf-8")
    for name, text in CREATED.get(folder, {}).items():
        (ROOT / name).write_text(text, "utf-8")


def packages():
    """Folders of the packages have an `__init__.py`, pyproject names them all."""
    folders = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            folder = path.relative_to(ROOT).parent
            folders |= {folder, *folder.parents} - {Path()}
    for folder in sorted(folders):
        init = ROOT / folder / "__init__.py"
        if not init.exists():
            init.write_text(f'"""{DOCSTRINGS[str(folder)]}"""\n', "utf-8")
    for folder in sorted((ROOT / "streams").rglob("*"), reverse=True):
        if folder.is_dir() and not any(one for one in folder.iterdir() if one.name != "__pycache__"):
            run("rm", "-r", folder)
    order = {name: number for number, name in enumerate(("marketpulse", "streams", "models", "strategy"))}
    names = sorted((".".join(one.parts) for one in folders), key=lambda one: (order[one.partition(".")[0]], one))
    block = "packages = [\n" + "".join(f'  "{one}",\n' for one in names) + "]"
    path = ROOT / "pyproject.toml"
    text = path.read_text("utf-8")
    made = re.sub(r"(?<=\[tool\.setuptools\]\n)packages = \[[^\]]*\]", block, text)
    assert '"streams",\n' in made
    if made != text:
        path.write_text(made, "utf-8")


def tidy():
    """Imports sorted, files formatted."""
    changed = [
        line[3:].split(" -> ")[-1].strip('"') for line in run("git", "status", "--porcelain", "-uall").splitlines()
    ]
    files = [one for one in changed if one.endswith(".py") and (ROOT / one).exists() and not one.startswith("tools/")]
    if files:
        run(BIN / "ruff", "check", "-q", "--select", "I", "--fix", *files)
        run(BIN / "ruff", "format", "-q", *files)
    print(
        run(BIN / "ruff", "check", "--output-format", "concise", ".", check=False).replace("All checks passed!\n", ""),
        end="",
    )


def commit(message, no_commit):
    run("git", "add", "-A", ".")
    if no_commit:
        return
    run("git", "commit", "-q", "-m", message)


def similar(base, head="HEAD"):
    """Renames of a commit: (percent, old, new)."""
    found = []
    for line in run("git", "diff", "-M30%", "-l0", "--name-status", "--diff-filter=R", base, head).splitlines():
        percent, old, new = line.split("\t")
        found.append((int(percent[1:]), old, new))
    return found


def clean():
    if run("git", "status", "--porcelain").strip():
        sys.exit("the checkout is not clean")


def move(wanted, no_commit):
    clean()
    names_in_full(no_commit)
    for folder, moves in rows().items():
        if wanted and folder not in wanted:
            continue
        here = {old: new for old, new in moves.items() if (ROOT / old).exists() and not (ROOT / new).exists()}
        gone = [old for old in moves if not (ROOT / old).exists() and not (ROOT / moves[old]).exists()]
        if gone:
            print(f"  {folder}: not there: {' '.join(gone)}")
        if not here:
            continue
        held = {old: (ROOT / old).read_bytes() for old in here}  # a module may give its name to a folder
        for old, new in here.items():
            staged = f"{old}.moving"
            run("git", "mv", old, staged)
        for old, new in here.items():
            (ROOT / new).parent.mkdir(parents=True, exist_ok=True)
            run("git", "mv", f"{old}.moving", new)
            assert (ROOT / new).read_bytes() == held[old]
        rewrite(here)
        packages()
        edit(folder)
        tidy()
        commit(f"Move {folder}: files and the names of their modules, nothing else", no_commit)
        if no_commit:
            return
        found = {new: percent for percent, _, new in similar("HEAD~1")}
        low = {new: found.get(new, 0) for new in here.values() if found.get(new, 0) < 90}
        print(
            f"{folder}: {len(here)} files"
            + "".join(f"\n  only {percent} % alike: {new}" for new, percent in low.items())
        )


def names_in_full(no_commit):
    """tests/unit/test_imports.py lists pure and writing files by their path, so that they can be followed."""
    path = ROOT / "tests/unit/test_imports.py"
    text = path.read_text("utf-8")
    if 'PURE = {\n    f"streams/' not in text:
        return
    tree = ast.parse(text)
    lines = text.split("\n")
    values = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id in ("PURE", "WRITING"):
            values[node.targets[0].id] = (eval(ast.unparse(node.value)), node)
    (pure, first), (writing, second) = values["PURE"], values["WRITING"]
    lines[second.lineno - 1 : second.end_lineno] = [
        "WRITING = {",
        *(f'    "streams/{one}.py",' for one in writing),
        "}  # the page only reads",
    ]
    end = first.end_lineno
    lines[first.lineno - 1 : end] = ["PURE = {", *(f'    "{one}",' for one in sorted(pure)), "}"]
    text = "\n".join(lines)
    text = text.replace(
        'project_imports(source) & {f"streams/{other}.py" for other in WRITING}', "project_imports(source) & WRITING"
    )
    text = text.replace('        ("streams/metrics.py", "from streams import ledger", {"streams/ledger.py"}),\n', "")
    # zoneinfo reads the environment as it is loaded: which file asks for it first depends on the names of modules
    text = text.replace(
        "logging, os, socket, sys, threading\nroot", "logging, os, socket, sys, threading, zoneinfo\nroot"
    )
    path.write_text(text, "utf-8")
    tidy()
    commit("test_imports names files in full, so that their moves can be followed", no_commit)


# ---- splits


def span(node, following, lines):
    """Lines of a top-level definition (from, to): comments right above, decorators, the docstring of an assignment."""
    start = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))]) - 1
    while start and lines[start - 1].startswith("#"):
        start -= 1
    end = node.end_lineno
    if (
        isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(following, ast.Expr)
        and isinstance(following.value, ast.Constant)
        and isinstance(following.value.value, str)
    ):
        end = following.end_lineno
    return start, end


def names_of(node):
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [one.id for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def loaded(nodes):
    """Names that code uses, those in annotations that are strings too."""
    found = set()
    for top in nodes:
        for node in ast.walk(top):
            if isinstance(node, ast.Name):
                found.add(node.id)
            for field in ("annotation", "returns"):
                given = getattr(node, field, None)
                for one in ast.walk(given) if given is not None else ():
                    if isinstance(one, ast.Constant) and isinstance(one.value, str):
                        found |= set(re.findall(r"[A-Za-z_]\w*", one.value))
    return found


def imported(tree):
    """Name -> (statement that imports it, whether for types only)."""
    found = {}
    for node in tree.body:
        typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for one in node.body if typing else [node]:
            if isinstance(one, ast.Import):
                for each in one.names:
                    found[each.asname or each.name.partition(".")[0]] = (f"import {alias(each)}", typing)
            elif isinstance(one, ast.ImportFrom):
                for each in one.names:
                    found[each.asname or each.name] = (f"from {one.module} import {alias(each)}", typing)
    return found


def path_of(name):
    path = ROOT / f"{name.replace('.', '/')}.py"
    return path if path.exists() or not path.with_suffix("").is_dir() else path.with_suffix("") / "__init__.py"


def last_import(tree):
    """Line after which an import can be added: after the imports at the top, or after the docstring."""
    line = 0
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            line = node.end_lineno
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and not line:
            line = node.end_lineno
        elif line:
            break
    return line


def with_imports(text, statements):
    tree = ast.parse(text)
    have = {statement for statement, _ in imported(tree).values()}
    plain = sorted({one for one, typing in statements if not typing} - have)
    typed = sorted({one for one, typing in statements if typing} - have - set(plain))
    if typed:
        plain.append("from typing import TYPE_CHECKING")
    lines = text.split("\n")
    after = last_import(tree)
    first = [""] if isinstance(tree.body[0], ast.Expr) and after == tree.body[0].end_lineno else []
    lines[after:after] = [*first, *plain]
    text = "\n".join(lines)
    if typed:
        after = last_import(ast.parse(text))
        lines = text.split("\n")
        lines[after:after] = ["", "if TYPE_CHECKING:", *(f"    {one}" for one in typed)]
        text = "\n".join(lines)
    return text


class Left(Exception):
    """A split that must be done by hand."""


def follow(text, source, target, names):
    """Importers of moved names: `from source import name` becomes `from target import name`."""
    tree = ast.parse(text)
    lines = text.split("\n")
    package, _, base = source.rpartition(".")
    aliases = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == package:
            aliases |= {one.asname or one.name for one in node.names if one.name == base}
        elif isinstance(node, ast.Import):
            aliases |= {one.asname for one in node.names if one.name == source and one.asname}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in aliases
            and node.attr in names
        ):
            raise Left(f"{node.value.id}.{node.attr} is used by the name of its module")
    nodes = [
        one for one in ast.walk(tree) if isinstance(one, ast.ImportFrom) and one.module == source and not one.level
    ]
    for node in sorted(nodes, key=lambda one: -one.lineno):
        moved = [one for one in node.names if one.name in names]
        if not moved:
            continue
        kept = [one for one in node.names if one not in moved]
        indent = lines[node.lineno - 1][: node.col_offset]
        tail = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
        made = [f"from {source} import {', '.join(map(alias, kept))}"] if kept else []
        if target is not None:
            made.append(f"from {target} import {', '.join(map(alias, moved))}")
        new = [indent + one for one in made]
        if new:
            new[-1] += tail
        lines[node.lineno - 1 : node.end_lineno] = new
    return "\n".join(lines)


def split_one(source, target, names, doc, copy=()):
    """Move top-level definitions from a module to another. Returns the files written."""
    old, new = path_of(source), path_of(target)
    text = old.read_text("utf-8")
    tree = ast.parse(text)
    lines = text.split("\n")
    body = [*tree.body, None]
    moved, kept, spans = [], [], []
    docs = set()
    for node, following in zip(tree.body, body[1:], strict=True):
        if node in docs:
            continue
        if set(names_of(node)) & set(names):
            moved.append(node)
            spans.append(span(node, following, lines))
            if following is not None and spans[-1][1] == following.end_lineno and following.lineno != node.lineno:
                docs.add(following)
        else:
            kept.append(node)
    found = {one for node in moved for one in names_of(node)}
    if set(names) - found:
        raise Left(f"{source} has no {sorted(set(names) - found)}")
    same = {}
    if new.exists():  # what the target has already is merged
        have = {one: ast.dump(node) for node in ast.parse(new.read_text("utf-8")).body for one in names_of(node)}
        same = {node: True for node in moved if all(have.get(one) == ast.dump(node) for one in names_of(node))}
    # assignments that follow each other stay together
    pieces = []
    copied = [node for node in kept if set(names_of(node)) & set(copy) & loaded(moved)]
    placed = [(span(node, None, lines)) for node in copied]
    placed += [one for one, node in zip(spans, moved, strict=True) if node not in same]
    for number, (start, end) in enumerate(placed):
        if (
            number
            and placed[number - 1][1] <= start
            and not any(one.strip() for one in lines[placed[number - 1][1] : start])
        ):
            gap = start - placed[number - 1][1]
        else:
            gap = 2
        pieces.append(("\n" * gap if number else "") + "\n".join(lines[start:end]))
        if number:
            pieces[-1] = "\n" + pieces[-1]
    code = "".join(pieces)
    needs = loaded([*(node for node in moved if node not in same), *copied])
    here = {one for node in kept for one in names_of(node)}
    from_source = (needs & here) - found - set(copy)
    uses = loaded([node for node in kept if not isinstance(node, ast.Import | ast.ImportFrom)]) & found
    if from_source and uses:
        raise Left(f"a circle: moved code needs {sorted(from_source)} of {source}, which needs {sorted(uses)}")
    bound = imported(tree)
    statements = [bound[one] for one in sorted(needs & set(bound))]
    if from_source:
        statements.append((f"from {source} import {', '.join(sorted(from_source))}", False))
    # what is left
    for start, end in sorted(spans, reverse=True):
        del lines[start:end]
    left = "\n".join(lines)
    if uses:
        left = with_imports(left, [(f"from {target} import {', '.join(sorted(uses))}", False)])
    # the new place
    if new.exists():
        there = follow(new.read_text("utf-8"), source, None, found)
        there_tree = ast.parse(there)
        defined = {one for node in there_tree.body for one in names_of(node)}
        if defined & found - {one for node in same for one in names_of(node)}:
            raise Left(f"{target} has {sorted(defined & found)} already")
        itself = {statement for statement, _ in statements if statement.startswith(f"from {target} import ")}
        statements = [one for one in statements if one[0] not in itself]
        asked = loaded([node for node in there_tree.body if not isinstance(node, ast.Import | ast.ImportFrom)])
        if not code:
            pass
        elif asked & found and not needs & defined:
            rest = there.split("\n")
            after = last_import(there_tree)
            rest[after:after] = ["", "", *code.split("\n"), "", ""]
            there = "\n".join(rest)
        else:
            main = re.search(r'(?m)^if __name__ == "__main__":', there)
            at = main.start() if main else len(there)
            before = there[:at].rstrip("\n")
            plain = ast.Assign | ast.AnnAssign
            close = isinstance(ast.parse(before).body[-1], plain) and all(
                isinstance(one, plain) for one in [*copied, *moved]
            )
            there = before + ("\n" if close else "\n\n\n") + code + "\n" + ("\n\n" + there[at:] if main else "")
        made = with_imports(there, statements)
    else:
        if not doc:
            raise Left(f"{target} is new and has no docstring")
        made = with_imports(f'"""{doc}"""\n', statements).rstrip("\n") + "\n\n\n" + code + "\n"
    # importers
    writes = {old: left, new: made}
    pattern = re.compile(rf"(?<![\w.]){re.escape(source)}\.({'|'.join(map(re.escape, sorted(found)))})\b")
    for path, content in texts():
        if path in writes:
            continue
        changed = content
        if path.suffix == ".py":
            changed = follow(changed, source, target, found)
        changed = pattern.sub(lambda match: f"{target}.{match[1]}", changed)
        if changed != content:
            writes[path] = changed
    for path, content in writes.items():
        ast.parse(content) if path.suffix == ".py" else None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    packages()
    files = [str(path) for path in writes if path.suffix == ".py"]
    run(BIN / "ruff", "check", "-q", "--select", "F401,I", "--fix", old, new)
    run(BIN / "ruff", "check", "-q", "--select", "I", "--fix", *files)
    run(BIN / "ruff", "format", "-q", *files)
    return {module(str(path.relative_to(ROOT))) for path in (old, new)}


def split(wanted, no_commit):
    clean()
    given = tomllib.loads((TOOLS / "splits.toml").read_text("utf-8"))["split"]
    folders = dict.fromkeys(one["folder"] for one in given)
    for folder in folders:
        if wanted and folder not in wanted:
            continue
        done = []
        for one in given:
            if one["folder"] != folder or not path_of(one["from"]).exists():
                continue
            run("git", "add", "-A", ".")
            tree = run("git", "write-tree").strip()
            try:
                touched = split_one(one["from"], one["to"], one["names"], one.get("doc"), one.get("copy", ()))
                problem = broken(touched, one)
            except Left as reason:
                problem, touched = str(reason), set()
            if problem:
                run("git", "read-tree", "-u", "--reset", tree)
                run("git", "clean", "-fdq", *[one for one in PACKAGES if (ROOT / one).exists()])
                print(f"  LEFT {one['from']} -> {one['to']} {', '.join(one['names'])}: {problem}")
            else:
                done.append(f"{', '.join(one['names'])} from {one['from']} to {one['to']}")
        if done:
            if "LEVELS" in (ROOT / "tests/unit/test_imports.py").read_text("utf-8"):
                write_imports()
            tidy()
            commit(f"Split for {folder}: definitions move, their code stays\n\n" + "\n".join(done), no_commit)
            print(f"{folder}: {len(done)} splits")
            if no_commit:
                return


def follow_splits(folder):
    """Imports of scripts elsewhere, of what splits have moved."""
    given = tomllib.loads((TOOLS / "splits.toml").read_text("utf-8"))["split"]
    for path, text in texts(folder):
        made = text
        for one in given if path.suffix == ".py" else ():
            try:
                made = follow(made, one["from"], one["to"], set(one["names"]))
                star = rf"(?m)^([ \t]*)from {re.escape(one['from'])} import \*(?!\n[ \t]*from {re.escape(one['to'])} import \*)"
                made = re.sub(star, rf"\g<0>\n\g<1>from {one['to']} import *", made)
            except (Left, SyntaxError) as reason:
                print(f"  by hand: {path}: {reason}")
        if made != text:
            path.write_text(made, "utf-8")


def broken(touched, one):
    """Why a split cannot stay: undefined names, imports in a circle."""
    files = [path_of(name) for name in touched]
    complaints = run(
        BIN / "ruff", "check", "-q", "--select", "F821,F401,F811,E9", "--output-format", "concise", *files, check=False
    )
    if complaints.strip():
        return complaints.strip()
    everyone = sorted(
        module(str(path.relative_to(ROOT)))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if any(re.search(rf"\b{re.escape(name)}\b", path.read_text("utf-8")) for name in touched)
        or module(str(path.relative_to(ROOT))) in touched
    )
    program = (
        "import sys, importlib; sys.path.insert(0, '.')\n"
        "for name in sys.argv[1:]:\n"
        "    for one in [one for one in sys.modules if one.split('.')[0] in ('streams', 'marketpulse', 'strategy', 'models')]:\n"
        "        del sys.modules[one]\n"
        "    try:\n        importlib.import_module(name)\n"
        "    except ImportError as error:\n"
        "        if 'circular' in str(error) or 'streams' in str(error) or 'marketpulse' in str(error):\n"
        "            sys.exit(f'{name}: {error}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *(everyone if one.get("all") else sorted(touched))],
        capture_output=True,
        text=True,
    )
    return done.stderr.strip().split("\n")[-1] if done.returncode else ""


# ---- checks


@functools.cache
def show(commit, name):
    return subprocess.run(["git", "show", f"{commit}:{name}"], capture_output=True, check=True).stdout.decode()


def python_files(commit):
    names = run("git", "ls-tree", "-r", "--name-only", commit).splitlines()
    return [one for one in names if one.endswith(".py") and not one.startswith("tools/")]


class Masked(ast.NodeTransformer):
    """Imports out, constants by kind: what is left is code."""

    def __init__(self):
        self.constants = []

    def visit_Import(self, node):
        return None

    def visit_ImportFrom(self, node):
        return None

    def visit_Constant(self, node):
        self.constants.append(node.value)
        return ast.copy_location(ast.Constant(type(node.value).__name__), node)


def fill(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.FunctionDef | ast.AsyncFunctionDef | ast.With | ast.Try) and not node.body:
            node.body = [ast.Pass()]
    return tree


def masked(text):
    mask = Masked()
    tree = fill(mask.visit(ast.parse(text)))
    return tree, mask.constants


def imports_of(text, modules):
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {(modules.get(one.name, one.name), one.asname) for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            for one in node.names:
                full = f"{node.module}.{one.name}"
                name = modules.get(full) or f"{modules.get(node.module, node.module)}.{one.name}"
                found.add((name, one.asname or one.name))
    return found


def check(base, head="HEAD", strict=True):
    """Every file's code at `base` is that of its new place, or of where its definitions went."""
    moves = {old: new for each in rows().values() for old, new in each.items()}
    modules = modules_of(moves)
    before, after = python_files(base), python_files(head)
    wrong = 0
    constants = collections.Counter()
    split_files = []
    for name in before:
        place = moves.get(name, name)
        if place not in after:
            place = name
        if place not in after:
            print(f"{name}: gone")
            wrong += 1
            continue
        (one, left), (other, right) = masked(show(base, name)), masked(show(head, place))
        if ast.dump(one) != ast.dump(other):
            split_files.append((name, place))
            continue
        constants.update((x, y) for x, y in zip(left, right, strict=True) if x != y)
        lost = imports_of(show(base, name), modules) ^ imports_of(show(head, place), {})
        if lost and strict:
            print(f"imports of {place} differ: {sorted(map(str, lost))[:6]}")
            wrong += 1
    # definitions, wherever they are
    held = [definitions(commit, names, moves) for commit, names in ((base, before), (head, after))]
    lost, found = held[0] - held[1], held[1] - held[0]
    for text, many, sign in ((lost, "lost", "-"), (found, "new", "+")):
        for (kind, dump), count in sorted(text.items()):
            print(f"{sign} {kind} ({count})")
    print(
        f"{sum(held[0].values())} definitions before, {sum(held[1].values())} after; {sum(lost.values())} lost, {sum(found.values())} new"
    )
    print(f"{len(split_files)} files with other statements than before: {' '.join(new for _, new in split_files)}")
    print(f"{len(constants)} kinds of constants changed:")
    for (old, new), count in constants.items():
        print(f"  {count} x {short(old, new)}")
    alike = similar(base, head)
    moved = {
        old: new for old, new in moves.items() if old in run("git", "ls-tree", "-r", "--name-only", base).splitlines()
    }
    by = {new: (percent, old) for percent, old, new in alike}
    low = [(by.get(new, (0, ""))[0], old, new) for old, new in moved.items() if by.get(new, (0, ""))[0] < 90]
    print(f"{len(moved)} moved files, {len(moved) - len(low)} at least 90 % alike; below:")
    for percent, old, new in low:
        print(f"  {percent} % {old} -> {new}")
    return wrong


def short(old, new):
    if isinstance(old, str) and isinstance(new, str):
        start = 0
        while start < min(len(old), len(new)) and old[start] == new[start]:
            start += 1
        end = 0
        while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
            end += 1
        near = lambda text: text[max(0, start - 20) : len(text) - end + 10][:120]
        return f"{near(old)!r} -> {near(new)!r}"
    return f"{old!r} -> {new!r}"


def definitions(commit, names, moves):
    found = collections.Counter()
    for name in names:
        tree, _ = masked(show(commit, name))
        for node in tree.body:
            if isinstance(node, ast.Expr):
                continue
            named = names_of(node)
            found[
                (
                    f"{type(node).__name__} {' '.join(named)}" + ("" if named else f" in {moves.get(name, name)}"),
                    ast.dump(node),
                )
            ] += 1
    return found


def tests(before, after):
    """Collected ids, those of moved files by their new names."""
    moves = {old: new for each in rows().values() for old, new in each.items()}
    modules = modules_of(moves)
    read = lambda path: {line for line in Path(path).read_text().splitlines() if "::" in line}
    old = {paths(dotted(one, modules), moves) for one in read(before)}
    new = read(after)
    for one in sorted(old - new):
        print(f"- {one}")
    for one in sorted(new - old):
        print(f"+ {one}")
    print(f"{len(old)} before, {len(new)} after, {len(old & new)} the same")


def left():
    """Old names that are still there."""
    moves = {old: new for each in rows().values() for old, new in each.items()}
    modules = modules_of(moves)
    kept = {"streams.cli", "streams.ledger", "streams.telemetry", "streams.worker", "streams.privacy"}
    for path, text in texts():
        for number, line in enumerate(text.split("\n"), 1):
            for found in re.findall(r"(?<![\w.])(?:streams|tests)(?:\.\w+)+", line):
                parts = found.split(".")
                if any(".".join(parts[:size]) in modules.keys() - kept for size in range(2, len(parts) + 1)):
                    print(f"{path.relative_to(ROOT)}:{number}: {found}")
            for old in re.findall(r"\bstreams/[\w/]+(?:\.py|\.lua|\.toml|/)?", line):
                if not (ROOT / old).exists() and not (ROOT / f"{old}.py").exists():
                    print(f"{path.relative_to(ROOT)}:{number}: {old}")
    staying = {"__init__", "app", "agents", "batches", "errors", "settings"}
    for path in sorted((ROOT / "streams").glob("*.py")):
        if path.stem not in staying and str(path.relative_to(ROOT)) not in moves:
            print(f"no row: {path.relative_to(ROOT)}")
    for path in sorted((ROOT / "tests/unit").glob("*.py")):
        if str(path.relative_to(ROOT)) not in moves:
            print(f"stays: {path.relative_to(ROOT)}")
    for folder in sorted({path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}):
        print(f"{len(list(folder.glob('*.py'))):3} {folder.relative_to(ROOT)}")


def new_imports(no_commit):
    """The rules by folder (tools/test_imports.head.txt) before the part of the test that imports every module; known
    exceptions are what the code breaks now."""
    clean()
    known = write_imports()
    tidy()
    commit("test_imports holds the directions by folder", no_commit)
    for name, wrong in sorted(known.items()):
        print(f"  {name}: {' '.join(sorted(wrong))}")


def write_imports():
    """tests/unit/test_imports.py with what breaks the rules now."""
    path = ROOT / "tests/unit/test_imports.py"
    head = (TOOLS / "test_imports.head.txt").read_text("utf-8")
    text = path.read_text("utf-8")
    rest = text[text.index("@functools.cache") :]
    space = {"__name__": "rules"}
    sys.path.insert(0, str(ROOT))
    exec(compile(head.replace("#KNOWN#", "KNOWN = {}"), "rules", "exec"), space)
    known = {}
    for one in space["modules"]():
        name = str(one.relative_to(ROOT))
        if wrong := space["forbidden"](name, one.read_text("utf-8")):
            known[name] = wrong
    most = sum(map(len, known.values()))
    lines = [f"MOST_KNOWN = {most}", "KNOWN: dict[str, set[str]] = {"]
    lines += [f"    {name!r}: {{{', '.join(map(repr, sorted(wrong)))},}}," for name, wrong in sorted(known.items())]
    lines += ["}", '"""What breaks a direction until a signature is cut or a class carved. It may only become less."""']
    path.write_text(head.replace("#KNOWN#", "\n".join(lines)).rstrip("\n") + "\n\n\n" + rest, "utf-8")
    print(f"  {most} known exceptions")
    return known


def main():
    given = [one for one in sys.argv[1:] if not one.startswith("--")]
    no_commit = "--no-commit" in sys.argv
    match given:
        case ["move", *folders]:
            move(folders, no_commit)
        case ["split", *folders]:
            split(folders, no_commit)
        case ["imports"]:
            new_imports(no_commit)
        case ["check", base, *rest]:
            sys.exit(check(base, *rest, strict="--split" not in sys.argv))
        case ["tests", before, after]:
            tests(before, after)
        case ["rewrite", folder]:
            changed = rewrite(
                {old: new for each in rows().values() for old, new in each.items()}, Path(folder).resolve()
            )
            follow_splits(Path(folder).resolve())
            print(f"{len(changed)} files")
        case ["left"]:
            left()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
