"""A published folder keeps people's prose, follows from its aggregates, and tells whoever changed a figure."""

import json

import pytest
from msgspec import Struct, structs

from reference_impl.domain.errors import ConfigError
from reports.publishing import BEGIN, END, Recipe, Report, compare, conclude, markdown, publish, short


class Heights(Struct, frozen=True):
    """Something to publish."""

    metres: list[float]
    took_s: float = 0.0


def report_of(found):
    table = markdown(("place", "m"), [(str(place), short(height)) for place, height in enumerate(found.metres)])
    figure = f"<svg><!-- {found.metres} --></svg>\n"
    return Report(tables=table, figures={"heights.svg": figure}, opening="# Heights", closing="**Command.** climb")


def differences(published, found):
    both = enumerate(zip(found.metres, published.metres, strict=False))
    return [f"place {place}: {now} m, published {was}" for place, (now, was) in both if now != was]


RECIPE = Recipe(file="heights.json", content=Heights, report_of=report_of, differences=differences)
FOUND = Heights([1.5, 1234.5], took_s=3.0)


@pytest.fixture
def folder(tmp_path):
    publish(RECIPE, FOUND, tmp_path / "out", "climb --out out")
    return tmp_path / "out"


def test_a_folder_has_a_page_figures_aggregates_and_a_manifest(folder):
    page = (folder / "README.md").read_text()
    assert page.startswith("# Heights\n\n<!-- figures -->\n| place | m |\n| --- | --- |\n| 0 | 1.5 |\n| 1 | 1,234 |\n")
    assert page.endswith("<!-- end of figures -->\n\n**Command.** climb\n")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["command"] == "climb --out out"
    assert sorted(manifest["sha256"]) == ["heights.json", "heights.svg"]
    assert manifest["host"]["cpus"] > 0
    assert manifest["versions"]["matplotlib"]


def test_prose_is_kept_when_figures_are_written_again(folder):
    page = folder / "README.md"
    page.write_text("My own words.\n\n" + page.read_text().replace("climb", "take the lift"))
    publish(RECIPE, Heights([2.0]), folder, "climb")
    assert page.read_text() == (
        f"My own words.\n\n# Heights\n\n{BEGIN}\n| place | m |\n| --- | --- |\n| 0 | 2 |\n\n{END}\n\n"
        "**Command.** take the lift\n"
    )
    assert compare(RECIPE, Heights([2.0]), folder).endswith("found again")


def test_an_untouched_folder_agrees_whatever_it_took_and_another_result_does_not(folder):
    again = structs.replace(FOUND, took_s=99.0)
    assert conclude(RECIPE, again, folder, "climb", check=True) == f"{folder}: what is published is found again"
    with pytest.raises(ConfigError, match=r"place 0: 7.0 m, published 1.5 \(and 1 more\)"):
        compare(RECIPE, Heights([7.0, 8.0]), folder)


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("heights.svg", "1234.5", "12.5", "heights.svg: was changed after it was published"),
        ("heights.json", "1234.5", "12.5", "heights.json: was changed after it was published"),
        ("README.md", "1,234", "12", "README.md: its tables are not those of heights.json"),
        ("README.md", BEGIN, "", "README.md: has no lines <!-- figures --> and <!-- end of figures -->"),
        ("manifest.json", "sha256", "md5", "cannot be compared"),
        ("heights.json", '"metres"', '"feet"', "heights.json: cannot be compared"),
    ],
)
def test_a_changed_file_is_named(folder, name, old, new, says):
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=says):
        compare(RECIPE, FOUND, folder)


def test_a_figure_that_is_drawn_otherwise_today_is_told_apart_from_a_changed_one(folder):
    other = structs.replace(report_of(FOUND), figures={"heights.svg": "<svg/>"})
    drawn = Recipe(file="heights.json", content=Heights, report_of=lambda _: other, differences=differences)
    with pytest.raises(ConfigError, match=r"heights.svg: is not what is drawn from heights.json today"):
        compare(drawn, FOUND, folder)


def test_a_page_without_marks_is_not_overwritten(tmp_path):
    (tmp_path / "README.md").write_text("prose only")
    with pytest.raises(ConfigError, match="has no lines"):
        publish(RECIPE, FOUND, tmp_path, "climb")
    assert (tmp_path / "README.md").read_text() == "prose only"


def test_pages_beside_the_aggregates_are_sealed_too(tmp_path):
    publish(RECIPE, FOUND, tmp_path, "climb", {"tour.html": "<p>up</p>"})
    assert "found again" in compare(RECIPE, FOUND, tmp_path)
    (tmp_path / "tour.html").write_text("<p>down</p>")
    with pytest.raises(ConfigError, match=r"tour.html: was changed"):
        compare(RECIPE, FOUND, tmp_path)
