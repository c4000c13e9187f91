import simpy

from sim.server import Server, after


def test_a_job_waits_for_the_one_before_it():
    env = simpy.Environment()
    server = Server(env)
    assert server.submit(10) == (0, 10)
    assert server.submit(5) == (10, 15)
    env.run(until=40)
    assert server.submit(5) == (40, 45)


def test_busy_time_counts_only_work_that_is_done():
    env = simpy.Environment()
    server = Server(env)
    server.submit(10)
    server.submit(10)
    env.run(until=15)
    assert server.busy_ns == 15
    assert server.jobs == 1


def test_a_stopped_server_forgets_its_backlog():
    env = simpy.Environment()
    server = Server(env)
    server.submit(100)
    env.run(until=30)
    server.stop()
    assert server.busy_ns == 30
    assert server.jobs == 0
    assert server.submit(1) == (30, 31)


def test_the_longest_wait_is_reported_once():
    server = Server(simpy.Environment())
    server.submit(10)
    server.submit(10)
    assert server.take_lag_ns_max() == 10
    assert server.take_lag_ns_max() == 0


def test_equal_instants_keep_the_order_in_which_they_were_asked_for():
    env = simpy.Environment()
    seen: list[int] = []
    for i in range(5):
        after(env, 7, seen.append, i)
    env.run()
    assert seen == [0, 1, 2, 3, 4]
    assert env.now == 7
    assert isinstance(env.now, int)
