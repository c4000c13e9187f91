"""Fixed-size records that the video half appends to files while it runs; see :mod:`reference_impl.domain.records`."""

from reference_impl.domain.records import Layout

SCENES = Layout(
    "scenes",
    (
        ("t_ns", "q"),
        ("t_unix_ns", "q"),
        ("table", "i"),
        ("phase", "i"),
        ("round", "q"),
        ("slot", "q"),
        ("outcome", "i"),
    ),
)
"""The first frame that shows a phase, written by the studio: with DEALING, the first informative instant on film."""

DROPS = Layout(
    "drops", (("t_ns", "q"), ("t_unix_ns", "q"), ("table", "i"), ("frames", "i"), ("slot", "q"), ("cut", "i"))
)
"""Frames that a studio was too late for: how many from which slot on, and whether the film was cut there."""

PARTS = Layout(
    "parts",
    (
        ("t_ns", "q"), ("t_unix_ns", "q"), ("table", "i"), ("part", "i"), ("msn", "q"), ("captured_unix_ns", "q"),
        ("frames", "i"), ("size_bytes", "i"),
    ),
)  # fmt: skip
"""A part reached the origin: when, when its first frame was taken, and its size over all renditions."""
