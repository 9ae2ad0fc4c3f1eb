"""Upgrading while the previous version still serves: what it reads and writes is there all the time.

Migrations add; what a version no longer needs is removed by a later one. Whatever else a migration does
stands in EXCEPTIONS, with the reason why nobody misses it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

VERSIONS = Path(__file__).parents[1] / "migrations" / "versions"

#: Up to here nothing was ever installed anywhere: it is the older shape that was taken over, and its end.
FIRST_RELEASE = "0003"

#: Operations of Alembic that take nothing from a version that is still running.
ADDING = {"add_column", "create_index", "create_table", "execute", "get_bind", "create_check_constraint", "f"}

#: What `execute` may begin with: triggers, functions, policies, and rows that are filled.
ADDING_SQL = ("CREATE ", "UPDATE ", "INSERT ")

#: revision: (operation, why it is safe all the same)
EXCEPTIONS: dict[str, tuple[str, str]] = {
    "0007": ("execute", "It lets older code see nothing; none was installed anywhere before it."),
    "0030": ("drop_index", "The new index begins as the old one does: older code finds by it all the same."),
    "0031": ("drop_index", "Older code finds by the new ones: they are of the same rows, in the same order."),
}


def migrations() -> list[Path]:
    return [file for file in sorted(VERSIONS.glob("*.py")) if revision_of(file) > FIRST_RELEASE]


def revision_of(file: Path) -> str:
    return next(
        str(ast.literal_eval(node.value))
        for node in tree_of(file).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "revision"
    )


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def calls_of_upgrade(tree: ast.Module) -> Iterator[ast.Call]:
    """Every call that `upgrade` makes, in the functions of the file that it calls too."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    waiting, seen = ["upgrade"], set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for node in ast.walk(functions[name]):
            if isinstance(node, ast.Call):
                yield node
                waiting.append(getattr(node.func, "id", ""))


def takings(tree: ast.Module) -> list[str]:
    """What `upgrade` does that a version still running may miss; of a table made here it knows nothing."""
    calls = list(operations(tree))
    new = {word_of(call.args[0], tree) for name, call in calls if name == "create_table"}
    return [name for name, call in calls if takes_away(name, call) and not is_about(new, call)]


def word_of(node: ast.expr, tree: ast.Module) -> str:
    """A text as it stands, or a constant of the file that holds one; empty for anything else."""
    if isinstance(node, ast.Name):
        assigned = (each for each in tree.body if isinstance(each, ast.Assign))
        found = (each.value for each in assigned if getattr(each.targets[0], "id", "") == node.id)
        node = next(found, node)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def is_about(tables: set[str], call: ast.Call) -> bool:
    """Whether SQL alters one of these tables."""
    words = template_of(call.args[0]).split() if call.args else []
    return words[:2] == ["ALTER", "TABLE"] and words[2] in tables


def operations(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for call in calls_of_upgrade(tree):
        if isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "op":
            yield call.func.attr, call


def keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {word.arg: word.value for word in call.keywords if word.arg}


def takes_away(name: str, call: ast.Call) -> bool:
    if name == "execute":
        return not begins_harmlessly(call.args[0])
    if name == "add_column":
        return not is_optional(call.args[1])
    return name not in ADDING


def begins_harmlessly(sql: ast.expr) -> bool:
    text = template_of(sql)
    return text.startswith(ADDING_SQL)


def template_of(sql: ast.expr) -> str:
    """A text with `{}` for what is put into it."""
    match sql:
        case ast.Constant(value=str(text)):
            return text.lstrip()
        case ast.JoinedStr(values=parts):
            return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in parts).lstrip()
        case _:
            return ""


def is_optional(column: ast.expr) -> bool:
    """Whether a row without a word about the column can still be written."""
    if not isinstance(column, ast.Call):
        return False
    said = keywords(column)
    is_required = isinstance(said.get("nullable"), ast.Constant) and said["nullable"].value is False  # type: ignore[attr-defined]
    return not is_required or "server_default" in said


@pytest.mark.parametrize("file", migrations(), ids=lambda file: file.stem)
def test_a_migration_only_adds(file: Path) -> None:
    allowed, _reason = EXCEPTIONS.get(revision_of(file), ("", ""))
    assert [name for name in takings(tree_of(file)) if name != allowed] == []


@pytest.mark.parametrize(
    "upgrade",
    [
        'op.drop_column("payments", "amount")',
        'op.alter_column("payments", "amount", nullable=False)',
        'op.add_column("payments", sa.Column("x", sa.Text, nullable=False))',
        'op.execute("DROP TRIGGER t ON jobs")',
        'op.execute(f"ALTER TABLE {table} DROP COLUMN x")',
        'op.rename_table("payments", "orders")',
        'op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")',
        "op.execute(sql())",
    ],
)
def test_what_takes_away_is_seen(upgrade: str) -> None:
    tree = ast.parse(f"def upgrade():\n    step()\ndef step():\n    {upgrade}")
    assert len(takings(tree)) == 1


def test_what_adds_is_let_through() -> None:
    adding = 'op.add_column("users", sa.Column("x", sa.Boolean, nullable=False, server_default=sa.false()))'
    assert takings(ast.parse(f"def upgrade():\n    {adding}")) == []


@pytest.mark.parametrize("name", ['"new"', "TABLE"])
def test_a_table_made_here_may_be_shut(name: str) -> None:
    made = f'op.create_table({name}); op.execute("ALTER TABLE new FORCE ROW LEVEL SECURITY")'
    assert takings(ast.parse(f'TABLE = "new"\ndef upgrade():\n    {made}')) == []
