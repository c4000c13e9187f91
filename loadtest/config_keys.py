"""Unknown keys of a campaign file are refused at any depth, with the nearest known one. So are unknown choices."""

import difflib
from collections.abc import Iterable

from msgspec import inspect

from reference_impl.domain.errors import ConfigError


def refuse_unknown(kind: inspect.Type, raw: object, where: str) -> None:
    """Raise a one-line ConfigError for the first key, or choice among names, that a type does not know.

    Parameters
    ----------
    kind : msgspec.inspect.Type
        What is expected.
    raw : object
        What the file says.
    where : str
        The path of `raw` in the file, with a dot after it; empty at the top.
    """
    if isinstance(kind, inspect.UnionType):
        _refuse_in_union(kind, raw, where)
    elif isinstance(kind, (inspect.StructType, inspect.DataclassType)) and isinstance(raw, dict):
        _refuse_in_fields(kind, raw, where)
    elif isinstance(kind, inspect.EnumType) and isinstance(raw, str):
        _refuse_choice(raw, [str(choice.value) for choice in kind.cls], where.removesuffix("."))
    elif isinstance(kind, inspect.VarTupleType) and isinstance(raw, list):
        for index, item in enumerate(raw):
            refuse_unknown(kind.item_type, item, f"{where.removesuffix('.')}[{index}].")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the end of a message: what was probably meant."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.0)
    return f", did you mean '{near[0]}'?" if near else ""


def _refuse_in_fields(kind: inspect.StructType | inspect.DataclassType, raw: dict[str, object], where: str) -> None:
    fields = {field.encode_name: field.type for field in kind.fields}
    tag = kind.tag_field if isinstance(kind, inspect.StructType) else None
    for key, value in raw.items():
        if key in fields:
            refuse_unknown(fields[key], value, f"{where}{key}.")
        elif key != tag:
            raise ConfigError(f"unknown key '{where}{key}'{nearest(key, fields)}")


def _refuse_in_union(kind: inspect.UnionType, raw: object, where: str) -> None:
    members = [member for member in kind.types if isinstance(member, inspect.StructType)]
    tagged = {str(member.tag): member for member in members if member.tag is not None}
    if tagged and isinstance(raw, dict):
        field = str(next(iter(tagged.values())).tag_field)
        tag = raw.get(field)
        if not isinstance(tag, str):
            raise ConfigError(f"{where}{field} is missing: one of {', '.join(tagged)}")
        _refuse_choice(tag, tagged, f"{where}{field}")
        refuse_unknown(tagged[tag], raw, where)
    elif members:
        refuse_unknown(members[0], raw, where)


def _refuse_choice(word: str, known: Iterable[str], where: str) -> None:
    if word not in known:
        raise ConfigError(f"{where} = '{word}': there is no such choice{nearest(word, known)}")
