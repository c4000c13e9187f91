"""What will be needed soon is asked of memory in advance: a million rows are far away, and kernels mostly wait."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LINE_BYTES = 64
KEEP, DATA = 3, 1
"""What the processor is told: keep it near, and it is no code."""

_intrinsic: Any = intrinsic


def _asked(_typing: Any, records: Any, row: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, values[0])
        byte, word = ir.IntType(8), ir.IntType(32)
        at = context.cast(builder, values[1], signature.args[1], types.intp)
        start = builder.gep(builder.bitcast(array.data, byte.as_pointer()), [builder.mul(at, array.itemsize)])
        ask = builder.module.declare_intrinsic(
            "llvm.prefetch", [start.type], ir.FunctionType(ir.VoidType(), [start.type, word, word, word])
        )
        for first in range(0, signature.args[0].dtype.size, LINE_BYTES):
            line = builder.gep(start, [context.get_constant(types.intp, first)])
            builder.call(ask, [line, word(0), word(KEEP), word(DATA)])
        return context.get_dummy_value()

    return types.none(records, row), code


ask_for = _intrinsic(_asked)
"""``ask_for(records, row)``: begin to bring a row here; it changes nothing, and any row inside the array is allowed."""
