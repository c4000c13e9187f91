import json

import numpy as np
import pytest
from histories import Shape, make_manifest, make_tables, write_history

from reference_impl.domain.errors import ConfigError
from reports.columns import TABLES
from reports.run import empty_table, frame_of, manifest_base, open_run, update_manifest, write_run


def test_a_run_reads_back_as_it_was_written(tmp_path, tables):
    run = write_run(tmp_path / "run", make_manifest(Shape()), tables)
    for name, frame in tables.items():
        read = run.table(name)
        assert list(read.dtypes) == list(frame.dtypes)
        for column in frame:
            assert [list(v) if isinstance(v, np.ndarray) else v for v in read[column]] == [
                list(v) if isinstance(v, np.ndarray) else v for v in frame[column]
            ]


def test_equal_input_gives_equal_bytes(tmp_path):
    first, second = (write_history(tmp_path / name) for name in ("a", "b"))
    names = sorted(file.name for file in first.path.iterdir())
    assert names == sorted([*(f"{table}.parquet" for table in TABLES), "manifest.json"])
    for name in names:
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes()


def test_a_missing_table_is_an_empty_one_with_the_right_columns(tmp_path):
    run = write_run(tmp_path, make_manifest(Shape()), {})
    for name, spec in TABLES.items():
        assert run.table(name).empty
        assert list(run.table(name)) == list(spec)
        assert list(run.table(name).dtypes) == list(empty_table(name).dtypes)


def test_a_link_to_a_run_is_followed(tmp_path):
    write_history(tmp_path / "run")
    (tmp_path / "latest").symlink_to("run")
    assert open_run(tmp_path / "latest").path == (tmp_path / "run").resolve()


def test_a_folder_that_is_no_run_is_refused_in_one_line(tmp_path):
    with pytest.raises(ConfigError, match="is no Run: it has no readable manifest") as error:
        open_run(tmp_path)
    assert "\n" not in str(error.value)


def test_a_manifest_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ConfigError, match="is no JSON"):
        open_run(tmp_path)


@pytest.mark.parametrize("manifest", [{"schema_version": 99}, {}, []])
def test_another_schema_version_is_refused(tmp_path, manifest):
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ConfigError, match="this program reads 2"):
        open_run(tmp_path)


def test_an_unknown_table_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="unknown table 'bets'"):
        write_run(tmp_path, {}, {"bets": empty_table("ops")})


def test_a_missing_column_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="table ops lacks column 'weight'"):
        write_run(tmp_path, {}, {"ops": empty_table("ops").drop(columns="weight")})


def test_an_unknown_column_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="table ops has no column 'odd'"):
        write_run(tmp_path, {}, {"ops": empty_table("ops").assign(odd=1)})


def test_a_column_of_another_dtype_is_refused(tmp_path):
    frame = empty_table("ops").astype({"kind": "int64"})
    with pytest.raises(ConfigError, match="column kind is int64, must be int16"):
        write_run(tmp_path, {}, {"ops": frame})


def test_a_value_that_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="kind is 70000, which does not fit int16"):
        frame_of("ops", {"kind": [1, 70_000]})


def test_unknown_manifest_entries_and_kinds_are_refused():
    with pytest.raises(ConfigError, match="unknown manifest entry 'colour'"):
        manifest_base(kind="measured", name="x", campaign={}, seed=1, colour="red")
    with pytest.raises(ConfigError, match="kind of a Run is 'dreamt'"):
        manifest_base(kind="dreamt", name="x", campaign={}, seed=1)


def test_the_twin_is_found_beside_its_run(tmp_path):
    write_history(tmp_path / "s", kind="simulated")
    run = update_manifest(write_history(tmp_path / "m"), twin="../s")
    assert run.twin is not None
    assert run.twin.manifest["kind"] == "simulated"


def test_no_row_is_lost_between_frame_and_file(tmp_path):
    tables = make_tables(Shape(players=20))
    run = write_run(tmp_path, make_manifest(Shape()), tables)
    assert {name: len(run.table(name)) for name in TABLES} == {name: len(tables[name]) for name in TABLES}
