import pytest
import simpy
from msgspec import structs

from reference_impl.domain.errors import ConfigError
from sim.draws import Draws
from sim.parameters import LEVELS, Host, Model, Stages, load_model, lognormal_table, save_model, tables_of
from sim.random_streams import Stream

QUICK, SLOW = Stages(), structs.replace(Stages(), check_ns=(7,))
TWO_STATES = Host(states=(QUICK, SLOW), quiet=((1.0, 0.0), (1.0, 0.0)), disturbed=((0.0, 1.0), (0.0, 1.0)))


def test_a_model_survives_its_file(tmp_path):
    model = structs.replace(Model(), fanout_ns=9_000, host=TWO_STATES)
    save_model(model, tmp_path / "model.json")
    assert load_model(tmp_path / "model.json") == model


def test_default_tables_can_all_be_drawn_from():
    for name, table_ns in tables_of(Model()):
        assert len(table_ns) in {1, len(LEVELS)}, name
        assert list(table_ns) == sorted(table_ns), name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"fanout_ns": -1}', "fanout_ns"),
        ('{"colour": 1}', "colour"),
        ('{"login_ns": [1, 2]}', "login_ns has 2 values, must have 1 or"),
        ('{"login_ns": []}', "login_ns has 0 values"),
        ("{", "no model"),
    ],
)
def test_a_broken_model_is_refused_in_one_line(tmp_path, content, message):
    file = tmp_path / "model.json"
    file.write_text(content)
    with pytest.raises(ConfigError, match=message) as refused:
        load_model(file)
    assert "\n" not in str(refused.value)


def test_falling_quantiles_are_refused(tmp_path):
    falling = tuple(range(len(LEVELS), 0, -1))
    save_model(structs.replace(Model(), open_ns=falling), tmp_path / "model.json")
    with pytest.raises(ConfigError, match="open_ns falls from 104 to 103"):
        load_model(tmp_path / "model.json")


def test_a_missing_model_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_model(tmp_path / "none.json")


def test_draws_reproduce_the_table_that_they_come_from():
    table_ns = lognormal_table(1e6, 20e6)
    draws = Draws(simpy.Environment(), 1, Model())
    drawn = sorted(draws.node_ns(table_ns, Stream.BATCH, 0) for _ in range(4000))
    assert drawn[2000] == pytest.approx(1e6, rel=0.1)
    assert drawn[3960] == pytest.approx(20e6, rel=0.2)
    assert table_ns[0] <= drawn[0]
    assert drawn[-1] <= table_ns[-1]


def test_a_table_of_one_value_is_a_constant():
    draws = Draws(simpy.Environment(), 1, Model())
    assert {draws.node_ns((42,), Stream.BATCH, 0) for _ in range(100)} == {42}


def test_the_host_is_slow_while_a_window_has_just_opened_and_quick_otherwise():
    env = simpy.Environment()
    draws = Draws(env, 1, structs.replace(Model(), host=TWO_STATES))
    env.run(until=1_000_000_000)
    assert draws.stages == QUICK
    draws.disturb()
    assert draws.stages == SLOW
    env.run(until=1_000_000_000 + TWO_STATES.disturbance_ns)
    assert draws.stages == SLOW
    env.run(until=1_000_000_000 + TWO_STATES.disturbance_ns + TWO_STATES.slice_ns)
    assert draws.stages == QUICK


def test_host_states_follow_one_another_as_often_as_they_should():
    often = structs.replace(TWO_STATES, quiet=((0.75, 0.25), (0.75, 0.25)))
    env = simpy.Environment()
    draws = Draws(env, 1, structs.replace(Model(), host=often))
    slow = 0
    for number in range(4_000):
        env.run(until=1 + number * often.slice_ns)
        slow += draws.stages == SLOW
    assert slow / 4_000 == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(
    ("quiet", "message"),
    [(((1.0,),), "must have 2 rows of 2 probabilities"), (((0.5, 0.4), (1.0, 0.0)), "sum to 1")],
)
def test_a_chain_that_is_none_is_refused(tmp_path, quiet, message):
    save_model(structs.replace(Model(), host=structs.replace(TWO_STATES, quiet=quiet)), tmp_path / "model.json")
    with pytest.raises(ConfigError, match=message):
        load_model(tmp_path / "model.json")
