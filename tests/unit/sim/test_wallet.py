import pytest
import simpy
from msgspec import structs

from reference_impl.domain.bets import Status
from reference_impl.domain.records import OpKind
from sim.draws import Draws
from sim.operations import Attempt, Op, operation_ref
from sim.parameters import Cycle, Host, Model, Stages
from sim.wallet import BetBatch, Control, WalletShard

ROUND = (1 << 32) + 1
CYCLE = Cycle(alpha_ns=100, beta_ns=10, residual_ns=(0,))
MODEL = structs.replace(Model(), host=Host(states=(Stages(batch=CYCLE),)), batch_bets_max=3)


@pytest.fixture
def env():
    return simpy.Environment()


@pytest.fixture
def shard(env):
    wallet = WalletShard(env, 0, Draws(env, 1, MODEL))
    wallet.ledger.deposit(b"d" * 16, 7, 1_000)
    wallet.ledger.open_window(b"o" * 16, ROUND, 0, 10**9)
    return wallet


def batch(n, first=1, replies=None):
    attempts = []
    for i in range(n):
        op = Op(operation_ref(1, 7, first + i), OpKind.BET, 7, 1, 0, 0, round_id=ROUND, amount=100)
        attempts.append(Attempt(op, 1, 1, 0))
    return BetBatch(attempts, lambda: None if replies is None else replies.append(first))


def test_bets_that_wait_are_the_next_batch_up_to_the_limit(env, shard):
    first, second, third, fourth = (batch(n, 10 * n) for n in (1, 2, 1, 1))
    shard.place(first)
    for waiting in (second, third, fourth):
        shard.place(waiting)
    env.run()
    assert [b.attempts[0].batch_started_ns for b in (first, second, third, fourth)] == [0, 110, 110, 240]
    assert [b.attempts[0].committed_ns for b in (first, second, third, fourth)] == [110, 240, 240, 350]
    assert [b.attempts[0].batch_size for b in (first, second, third, fourth)] == [1, 3, 3, 1]
    assert second.attempts[0].queue_depth == 4


def test_a_control_step_takes_its_turn_between_two_batches(env, shard):
    done: list[int] = []
    first, second = batch(1), batch(1, 5)
    shard.place(first)
    shard.ask(Control(lambda: 50, lambda: not done.append(env.now)))
    shard.place(second)
    env.run()
    assert done == [160]
    assert second.attempts[0].batch_started_ns == 160


def test_an_unfinished_control_request_lets_bets_pass_between_its_steps(env, shard):
    steps: list[int] = []
    shard.ask(Control(lambda: 50, lambda: bool(steps.append(env.now)) or len(steps) == 2))
    bets = batch(1)
    shard.place(bets)
    env.run()
    assert steps == [50, 210]
    assert bets.attempts[0].batch_started_ns == 50


def test_a_killed_shard_commits_nothing_and_repeats_the_call_when_it_is_back(env, shard):
    replies: list[int] = []
    bets = batch(2, 1, replies)
    shard.place(bets)
    env.run(until=60)
    shard.kill()
    env.run(until=500)
    assert replies == []
    assert len(shard.ledger.journal) == 2
    shard.restart()
    env.run()
    assert replies == [1]
    assert bets.attempts[0].committed_ns == 500 + 120
    assert shard.busy_ns == 60 + 120


def test_the_same_id_gets_the_same_answer(env, shard):
    first, again = batch(1), batch(1)
    shard.place(first)
    shard.place(again)
    env.run()
    assert first.attempts[0].answer == again.attempts[0].answer
    assert first.attempts[0].answer.status is Status.ACCEPTED
    assert shard.ledger.accounts[7].balance == 900
