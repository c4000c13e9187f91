"""One thing made wrong in the film, for each anomaly that a check names."""

from histories import MS

from planted.changing import put
from reference_impl.domain.records import FetchKind


def part_rows(tables):
    video = tables["video"]
    return video.index[(video["kind"] == int(FetchKind.PART)) & (video["viewer"] == video["viewer"].min())]


def fetch_a_part_twice(tables):
    rows, video = part_rows(tables), tables["video"]
    put(tables, "video", rows[6], msn=int(video.loc[rows[5], "msn"]), part=int(video.loc[rows[5], "part"]))
    return {"viewer": int(video.loc[rows[6], "viewer"]), "part": int(video.loc[rows[5], "part"])}


def show_film_that_is_not_newer(tables):
    rows, video = part_rows(tables), tables["video"]
    put(tables, "video", rows[6], media_ns=int(video.loc[rows[5], "media_ns"]))
    return {"msn": int(video.loc[rows[6], "msn"]), "part": int(video.loc[rows[6], "part"])}


def get_a_part_before_it_was_filmed(tables):
    row = part_rows(tables)[6]
    media_ns = int(tables["video"].loc[row, "media_ns"])
    put(tables, "video", row, end_ns=media_ns - 3 * MS)
    return {"media_ns": media_ns}


def refuse_an_announced_part(tables):
    rows, video = part_rows(tables), tables["video"]
    asked_ns = int(video.loc[rows[6], "end_ns"]) + 100 * MS
    put(tables, "video", rows[6], status=404, start_ns=asked_ns, end_ns=asked_ns + MS)
    return {"msn": int(video.loc[rows[6], "msn"]), "status": 404}


PLANTED = [
    ("video_advances", fetch_a_part_twice),
    ("video_advances", show_film_that_is_not_newer),
    ("video_advances", get_a_part_before_it_was_filmed),
    ("video_advances", refuse_an_announced_part),
]
