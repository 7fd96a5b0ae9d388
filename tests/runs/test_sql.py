"""Anybody's SQL reads the runs and can do nothing else."""

import duckdb
import pytest

from sdlab.errors import SdlabError
from sdlab.runs.sql import query_runs
from sdlab.runs.sql_tables import named
from tests.runs.conftest import copy_of


@pytest.fixture(scope="module")
def root(run, tmp_path_factory):
    stored = run.save(tmp_path_factory.mktemp("sql") / "runs")
    copy_of(stored, seed=1, solver="heun")
    copy_of(stored, seed=2, solver="heun")
    (stored.parent / ("0" * 16)).mkdir()
    return stored.parent


def test_runs_are_counted(root):
    table = query_runs(
        "SELECT solver, count(*) AS n, max(seed) AS most FROM runs WHERE problem = ''"
        " GROUP BY ALL ORDER BY n DESC",
        root,
    )
    assert table.values.tolist() == [["heun", 2, 2], ["ddim", 1, 2**64 - 1]]
    assert not table.attrs["cut"]


def test_the_tables_of_runs_can_be_joined(root, run):
    table = query_runs(
        "SELECT runs.run, min(steps.sigma) AS least FROM steps JOIN runs USING (run)"
        " WHERE solver = 'ddim' GROUP BY ALL",
        root,
    )
    assert table["run"].tolist() == [run.id]
    assert table["least"].iloc[0] == pytest.approx(run.steps["sigma"].min())


def test_rows_are_limited_and_it_is_said(root):
    table = query_runs("FROM range(100)", root, rows=7)
    assert len(table) == 7 and table.attrs["cut"]
    assert not query_runs("FROM range(7)", root, rows=7).attrs["cut"]
    assert list(query_runs("SELECT 1 AS one WHERE false", root).columns) == ["one"]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM runs",
        "DROP TABLE runs",
        "CREATE TABLE x AS SELECT 1",
        "INSERT INTO runs SELECT * FROM runs",
        "UPDATE runs SET seed = 1",
        "COPY runs TO '{out}'",
        "EXPORT DATABASE '{out}'",
        "ATTACH '{out}' AS other",
        "SELECT 1; COPY runs TO '{out}'",
        "SELECT 1; SELECT 2",
        "SET enable_external_access = true",
        "PRAGMA memory_limit='9GB'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "CALL pragma_version()",
        "EXPLAIN ANALYZE SELECT 1",
        "",
        "-- nothing",
    ],
)
def test_only_one_select_is_taken(sql, tmp_path):
    with duckdb.connect() as database, pytest.raises(ValueError, match="SQL must be one SELECT"):
        named(database, sql.format(out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_another_statement_is_refused_where_it_is_run(root, tmp_path):
    with pytest.raises(ValueError, match="SQL must be one SELECT"):
        query_runs(f"SELECT 1; COPY runs TO '{tmp_path / 'out'}'", root)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT '\ud800'", "half of a surrogate pair"),
        ("SELECT 'a\0b'", "a control character"),
        ("SELECT " + "1, " * 50_000 + "1", "at most 100,000 letters, got 150,008"),
    ],
)
def test_what_cannot_be_sql_is_refused(root, sql, message):
    with pytest.raises(ValueError, match=message):
        query_runs(sql, root)


DEEP = {
    "a sum": "SELECT " + "+".join(["1"] * 900),
    "a longer sum": "SELECT " + "+".join(["1"] * 20_000),
    "lists": "SELECT " + "[" * 500 + "]" * 500,
    "brackets": "SELECT " + "(" * 40_000 + "1" + ")" * 40_000,
    "not": "SELECT " + "NOT " * 20_000 + "true",
}


@pytest.mark.parametrize("sql", DEEP.values(), ids=DEEP)
def test_what_is_nested_deep_is_refused(sql):
    with duckdb.connect() as database, pytest.raises(ValueError, match="too deep|depth"):
        named(database, sql)


@pytest.mark.every
def test_what_ends_the_process_ends_that_of_the_query_alone(root):
    """Parsed by the process of the query: 3,000 UNIONs take seconds, 30,000 may overflow."""
    with pytest.raises((SdlabError, ValueError), match="given up|ended the process|too deep"):
        query_runs(" UNION ALL ".join(["SELECT 1"] * 5000), root, seconds=0.5)


def test_more_than_is_sent_back_is_refused(root):
    with pytest.raises(SdlabError, match="more than 64 MiB.*LIMIT"):
        query_runs("SELECT repeat('x', 70_000_000)", root, seconds=60)
    assert len(query_runs("SELECT repeat('x', 1_000_000)", root).iloc[0, 0]) == 10**6


def test_a_column_of_no_kind_that_tables_hold_is_told(root):
    with pytest.raises(ValueError, match=r"fits into no table.*x::VARCHAR"):
        query_runs("SELECT '290000-01-01'::DATE", root)


SHUT = [
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM '{secret}'",
    "SELECT * FROM secret_frame",
]
SHUT_TOO = [
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_blob('{secret}')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM read_parquet('{run}/steps.parquet')",
    "SELECT * FROM read_json('{run}/manifest.json')",
    "SELECT * FROM sniff_csv('{secret}')",
    "SELECT * FROM read_csv('https://example.org/x.csv')",
    "SELECT * FROM query('SELECT * FROM read_text(''{secret}'')')",
    "SELECT * FROM query_table('{secret}')",
    "SELECT getenv('HOME')",
    "SELECT * FROM enable_logging(storage='file', storage_path='{folder}/log')",
    "SELECT * FROM enable_profiling(save_location='{folder}/profile')",
    "SELECT * FROM duckdb_extensions()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM parquet_metadata('{run}/steps.parquet')",
    "SELECT * FROM read_duckdb('{secret}')",
    "WITH x AS (SELECT * FROM read_text('{secret}')) SELECT * FROM x",
    "SELECT (SELECT content FROM read_text('{secret}'))",
    "SELECT * FROM steps JOIN read_text('{secret}') ON true",
]
LARGE = ["SELECT repeat('x', 1000000000)", "SELECT list(range) FROM range(100000000)"]


@pytest.mark.parametrize(
    "sql", [*SHUT, *(pytest.param(sql, marks=pytest.mark.every) for sql in SHUT_TOO)]
)
def test_files_and_variables_are_shut(root, sql, tmp_path, run):
    secret_frame = [1]
    assert secret_frame
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,the secret\n")
    text = sql.format(secret=secret, folder=tmp_path, run=root / run.id)
    with pytest.raises(ValueError, match="cannot be run") as caught:
        query_runs(text, root)
    assert "the secret" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


def test_a_long_query_is_given_up(root):
    sql = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range % 7 = b.range % 11"
    with pytest.raises(SdlabError, match="given up after 0.2 s"):
        query_runs(sql, root, seconds=0.2)


def test_what_cannot_be_interrupted_is_ended(root):
    with pytest.raises(SdlabError, match="memory|given up"):
        query_runs("SELECT list_sum(range(1000000000))", root, memory=64, seconds=2)


@pytest.mark.every
@pytest.mark.parametrize("sql", LARGE)
def test_a_large_query_is_given_up(root, sql):
    with pytest.raises((SdlabError, ValueError), match="memory|cannot be run|given up"):
        query_runs(sql, root, memory=64, seconds=2)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT nothing FROM runs", "nothing"),
        ("SELEC", "syntax error"),
        ("SELECT * FROM attention", "No stored run has a table 'attention'"),
    ],
)
def test_what_is_wrong_is_said(root, sql, message):
    with pytest.raises(ValueError, match=message):
        query_runs(sql, root)
