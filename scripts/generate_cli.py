"""Write `docs/cli/` from the commands themselves: one page a command, and their place in the navigation.

python scripts/generate_cli.py           write the pages
python scripts/generate_cli.py --check   exit 1 if they are not what would be written
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typer.main import get_command

from sartor.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = Path("docs/cli")
NAVIGATION = Path("mkdocs.yml")
_NAV_BLOCK = re.compile(r"(?<=# commands, by scripts/generate_cli.py\n).*?(?=^ *# end of commands)", re.S | re.M)
_NOTE = "<!-- Written by scripts/generate_cli.py: change the command, then run `make docs-cli`. -->"
_EXIT_CODES = """\
| code | meaning |
|---|---|
| 0 | done; for `fit`, `demo` and `measure`: every limit is met |
| 1 | an internal error of Sartor |
| 2 | bad usage, or an input that cannot be used |
| 3 | not met, or not proved; the best so far is in the folder, marked as such |
| 4 | infeasible: no candidate can meet a limit; the nearest that can be met is named |
| 130 | interrupted with Ctrl-C; the same command goes on from there |"""


def commands() -> Mapping[str, Any]:
    """The commands of `sartor`, by name, in the order of its help."""
    found: Mapping[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    return found


def pages() -> dict[Path, str]:
    """Every generated page, by its path from the root of the repository."""
    listed = "\n".join(f"| [`sartor {name}`]({name}.md) | {_summary(one)} |" for name, one in commands().items())
    index = f"""\
# Commands

{_NOTE}

| command | what it does |
|---|---|
{listed}

Commands with `--json` print one object on stdout; progress and prose go to stderr.

## Exit codes

{_EXIT_CODES}
"""
    return {PAGES / "index.md": index, **{PAGES / f"{name}.md": _page(name, one) for name, one in commands().items()}}


def navigation(text: str) -> str:
    """`mkdocs.yml` with every command in its navigation."""
    listed = "".join(f"      - sartor {name}: cli/{name}.md\n" for name in commands())
    return _NAV_BLOCK.sub(listed, text)


def _summary(command: Any) -> str:
    return str(command.help).strip().split("\n\n")[0].replace("\n", " ")


def _page(name: str, command: Any) -> str:
    prose, *examples = re.split(r"^Examples?:$", inspect.cleandoc(command.help), maxsplit=1, flags=re.M)
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    parts = [f"# sartor {name}", _NOTE, prose.strip(), _block(_usage(name, arguments, options))]
    if arguments:
        parts += ["## Arguments", _table(("argument", "meaning"), [(_upper(p), p.help) for p in arguments])]
    if options:
        parts += ["## Options", _table(("option", "default", "meaning"), [_option_row(p) for p in options])]
    if examples:
        parts += ["## Examples", _block("\n".join(line.strip() for line in examples[0].split("\n") if line.strip()))]
    return "\n\n".join(parts) + "\n"


def _upper(parameter: Any) -> str:
    return f"`{parameter.name.upper()}`"


def _usage(name: str, arguments: list[Any], options: list[Any]) -> str:
    needed = [f"{option.opts[0]} {option.name.upper()}" for option in options if option.required]
    optional = ["[OPTIONS]"] if any(not option.required for option in options) else []
    return " ".join(["sartor", name, *(p.name.upper() for p in arguments), *needed, *optional])


def _option_row(option: Any) -> tuple[str, str, str]:
    names = ", ".join(f"`{name}`" for name in option.opts)
    if option.required:
        return names, "required", option.help
    empty = option.is_flag or option.default in (None, "", [], ())
    return names, "" if empty else f"`{option.default}`", option.help


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _block(text: str) -> str:
    return f"```bash\n{text}\n```"


def wanted() -> dict[Path, str]:
    """Every file that this script answers for, with the text it should have."""
    return {**pages(), NAVIGATION: navigation((ROOT / NAVIGATION).read_text(encoding="utf-8"))}


def stale() -> list[Path]:
    """Files that differ from what would be written, and pages of commands that are gone."""
    files = wanted()
    differing = [path for path, text in files.items() if _text(ROOT / path) != text]
    gone = [path.relative_to(ROOT) for path in sorted((ROOT / PAGES).glob("*.md"))]
    return differing + [path for path in gone if path not in files]


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def write() -> None:
    """Bring every page up to date."""
    files = wanted()
    for path in stale():
        if path in files:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(files[path], encoding="utf-8")
        else:
            (ROOT / path).unlink()


def main(arguments: list[str]) -> int:
    """Write, or with `--check` compare; gives the exit code."""
    if arguments == ["--check"]:
        old = stale()
        for path in old:
            print(f"{path} is not up to date; run `make docs-cli`", file=sys.stderr)
        return 1 if old else 0
    if arguments:
        print(f"{' '.join(arguments)}: only --check is known", file=sys.stderr)
        return 2
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
