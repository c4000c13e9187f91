"""What a bench says to people: the ratio, and every figure that it saw."""

from loadtest.bench.result import summarise

DETAIL = {
    "verdict": "pass",
    "llhls": {"p50_ms": 412.5, "p95_ms": 1_071.0, "stalls": 0},
    "over": {"low": None, "exact": True},
    "offered": {"quarter": {"p99_ms": 73.0}, "p99_ms_by_leg": [60.0, 99.0]},
    "stretches": [{"sharing": "bands", "bets": 366}, {"sharing": "apart", "bets": 357}],
}


def test_a_bench_tells_every_figure_that_it_saw() -> None:
    result = summarise("stream", "ms", [400.0, 410.0], [1_200.0, 1_230.0], "defaults", DETAIL, lower_is_better=True)
    assert result.told().splitlines() == [
        "stream: ours 405.0 ms, defaults 1,215.0; ratio 3.0 (n = 2, spread 0%)",
        "  verdict: pass",
        "  llhls: p50_ms 412.5, p95_ms 1,071.0, stalls 0",
        "  over: low not known, exact True",
        "  offered:",
        "    quarter: p99_ms 73.0",
        "    p99_ms_by_leg: 60.0, 99.0",
        "  stretches:",
        "    1: sharing bands, bets 366",
        "    2: sharing apart, bets 357",
    ]
