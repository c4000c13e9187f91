"""Handles: structures of arrays that kernels get as one pointer, and of which they count no references.

Hundreds of arguments a call would cost more than the work, and so would counting references: Numba does so for every
array that it reads from a structure and for every structure that it passes on. Kernels keep nothing, so they borrow.

Invariants
----------
* Whoever makes a handle keeps its arrays alive while kernels run; the handle frees its own memory, once.
"""

from typing import Any

import numba
from numba import types
from numba.core.datamodel import models, registry
from numba.experimental import structref
from numba.extending import intrinsic, lower_getattr_generic

# Numba's own types are partly untyped
_lower: Any = lower_getattr_generic
_intrinsic: Any = intrinsic
_utils: Any = structref._Utils  # noqa: SLF001 - what its own lowering uses
_unliteral: Any = types.unliteral
_meminfo: Any = types.MemInfoPointer
_manager: Any = registry.default_manager
_StructModel: Any = models.StructModel


class Borrowed(types.StructRef):
    """The type of a structure whose fields kernels borrow."""

    def preprocess_fields(self, fields: Any) -> Any:
        """Take numbers as what they are of, not as constants."""
        return tuple((name, _unliteral(kind)) for name, kind in fields)


_register: Any = structref.register
_register(Borrowed)


class _PointerModel(_StructModel):  # type: ignore[misc]
    """A pointer of which nobody counts the references, where Numba's own model counts them."""

    def __init__(self, manager: Any, structure: Any) -> None:
        super().__init__(manager, structure, [("meminfo", types.voidptr)])


def register(structure: type[Borrowed], proxy: type[structref.StructRefProxy], fields: tuple[str, ...]) -> None:
    """Let `proxy` make structures of these fields, whose arrays kernels borrow."""
    _manager.register(structure, _PointerModel)
    _lower(structure)(_borrow)
    define: Any = structref.define_proxy
    define(proxy, structure, list(fields))


def _borrow(context: Any, builder: Any, structure: Any, value: Any, name: str) -> Any:
    """Read a field; an array comes without the owner in which references are counted."""
    field = getattr(_utils(context, builder, structure).get_data_struct(value), name)
    kind = structure.field_dict[name]
    if not isinstance(kind, types.Array):
        return field
    array = context.make_array(kind)(context, builder, value=field)
    array.meminfo = array.meminfo.type(None)
    return array._getvalue()  # noqa: SLF001 - as Numba's own lowering reads it


def _released(_typing: Any, structure: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = _utils(context, builder, signature.args[0]).get_struct_ref(values[0]).meminfo
        context.nrt.decref(builder, _meminfo(types.voidptr), pointer)
        return context.get_dummy_value()

    return types.none(structure), code


_release = _intrinsic(_released)


@numba.njit
def _leave_to_python(handle: Any) -> None:
    _release(handle)


def made(proxy: Any, values: tuple[Any, ...]) -> Any:
    """Return a handle that frees itself when Python drops it: its maker's own reference was never counted down."""
    handle = proxy(*values)
    _leave_to_python(handle)
    return handle
