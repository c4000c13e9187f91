"""The lint's rules over a recorded walk: a good stream passes, and each rule finds the fault planted for it."""

import asyncio
import xml.etree.ElementTree as ET

import msgspec
import pytest
from stream_faults import FAULTS
from synthetic_stream import on_air

import livetable
from loadtest.streamlint import judgement
from loadtest.streamlint.rules import RULES
from loadtest.streamlint.walk import Ask, Walk
from loadtest.streamlint.walker import walk as walk_over
from loadtest.streamlint.walker import with_lateness
from reference_impl.domain.errors import ConfigError, RetryableError

WALK_S = 4.0


@pytest.fixture(scope="module")
def walk():
    async def record():
        async with on_air() as (_, edge, path):
            return await walk_over(f"http://127.0.0.1:{edge.port}{path}", WALK_S)

    return asyncio.run(record())


def with_fault(walk, fault):
    return Walk(walk.url, walk.tracks, tuple(map(fault, walk.fetches)))


def verdicts(judged):
    return {result.rule: result.verdict for result in judged.rules}


def test_our_stream_breaks_no_rule_and_all_are_put_to_the_test(walk):
    judged = judgement.judge(walk)
    assert {rule for rule, verdict in verdicts(judged).items() if verdict == "broken"} == set()
    unseen = {rule for rule, verdict in verdicts(judged).items() if verdict == "not seen"}
    assert unseen == {"master.audio", "discontinuity.map", "gap.segment"}
    assert judged.exit_code == 0


def test_every_rule_has_a_planted_fault():
    assert {rule.id for rule in RULES} == set(FAULTS)
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_lateness_is_what_hold_ups_and_a_request_have_in_common(walk):
    spans = [(0, 10), (10, 20), (25, 90), (28, 35), (100, 110)]
    fetches = [msgspec.structs.replace(walk.fetches[0], asked_ns=asked, end_ns=end) for asked, end in spans]
    found = with_lateness(fetches, [(5, 20), (30, 40)])
    assert [fetch.late_ns for fetch in found] == [5, 10, 10, 5, 0]
    assert with_lateness(fetches, []) == fetches
    assert with_lateness([], [(5, 20)]) == []


@pytest.mark.parametrize("rule", FAULTS)
def test_planted_fault_is_found_and_named(walk, rule):
    judged = judgement.judge(with_fault(walk, FAULTS[rule]))
    found = next(result for result in judged.rules if result.rule == rule)
    assert found.verdict == "broken"
    assert found.findings[0].seen
    assert found.findings[0].allowed
    assert found.findings[0].url.startswith("http://")
    assert judged.exit_code == (3 if judged.broken("must") else 0)


def test_rule_that_nothing_was_asked_for_is_not_seen_rather_than_ok(walk):
    some = Walk(walk.url, walk.tracks, tuple(fetch for fetch in walk.fetches if fetch.ask is not Ask.FAR_PART))
    assert verdicts(judgement.judge(some))["reload.far-part"] == "not seen"


def test_advice_that_is_not_taken_does_not_fail_a_stream(walk):
    judged = judgement.judge(with_fault(walk, FAULTS["transport.etag"]))
    assert [result.rule for result in judged.broken("should")] == ["transport.etag"]
    assert judged.exit_code == 0
    assert "unwise   transport.etag" in judgement.table(judged)


def test_kept_walk_is_judged_the_same_again(walk, tmp_path):
    judgement.save(walk, tmp_path / "walk.json")
    again = judgement.load(tmp_path / "walk.json")
    assert msgspec.json.encode(judgement.judge(again)) == msgspec.json.encode(judgement.judge(walk))


def test_what_is_no_walk_is_refused_with_its_name(tmp_path):
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"other\.json: no recorded walk"):
        judgement.load(tmp_path / "other.json")


def test_junit_names_failures_and_what_was_skipped(walk, tmp_path):
    judgement.write_junit(judgement.judge(with_fault(walk, FAULTS["report.each"])), tmp_path / "lint.xml")
    suite = ET.parse(tmp_path / "lint.xml").getroot()  # noqa: S314 - written a line before
    assert {case.get("name") for case in suite if case.find("failure") is not None} == {"report.each"}
    assert {case.get("name") for case in suite if case.find("skipped") is not None} >= {"gap.segment"}


@pytest.mark.parametrize(("rule", "code"), [(None, 0), ("transport.etag", 0), ("hint.next", 3)])
def test_command_judges_a_kept_walk_and_exits_like_the_other_verbs(walk, rule, code, tmp_path, capsys):
    judgement.save(with_fault(walk, FAULTS[rule]) if rule else walk, tmp_path / "walk.json")
    with pytest.raises(SystemExit) as ended:
        livetable.main(["stream", "lint", str(tmp_path / "walk.json"), "--json", "--junit", str(tmp_path / "lint.xml")])
    said = capsys.readouterr().out.splitlines()
    assert ended.value.code == code
    assert [line.split()[1].rstrip(":") for line in said if line.startswith(("BROKEN", "unwise"))] == [rule] * bool(
        rule
    )
    assert len(msgspec.json.decode(said[-1])["rules"]) == len(FAULTS)
    assert (tmp_path / "lint.xml").read_text().startswith("<?xml")


async def test_stream_that_is_not_there_is_one_clear_line():
    with pytest.raises(RetryableError, match=r"no playlist at http://127\.0\.0\.1:9/x: ConnectionRefusedError"):
        await walk_over("http://127.0.0.1:9/x", 1)


async def test_address_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="'ftp://x' is no http"):
        await walk_over("ftp://x", 1)


async def test_stream_without_parts_is_walked_without_blocking_and_not_held_to_their_rules():
    asked = []

    async def serve(reader, writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            asked.append(head.split(b" ", 2)[1].decode())
            text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n" + "#EXTINF:4.0,\na.ts\n" * 4
            kind = "Content-Type: application/vnd.apple.mpegurl\r\nCache-Control: max-age=1"
            writer.write(f"HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())

    tasks = set()

    async def accept(reader, writer):
        tasks.add(asyncio.current_task())
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        walked = await walk_over(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/live.m3u8", 1.0)
    finally:
        server.close()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert not [path for path in asked if "_HLS_msn" in path]
    found = verdicts(judgement.judge(walked))
    assert found["playlist.format"] == found["playlist.target-duration"] == "ok"
    assert {found[rule] for rule in ("part.longest", "reload.waits", "hint.next", "report.each")} == {"not seen"}
