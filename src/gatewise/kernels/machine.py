"""LLVM: the processor that is compiled for, optimization, and compiled code in memory."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from gatewise.kernels.target import BYTES, FEATURES

LEVEL = 3  # of optimization


@cache
def name() -> str:
    """Return a short name for all that compiled code depends on besides its source.

    Of Python, whose versions may share a folder, it depends on where the items of its objects stand (`entries.py`).
    """
    headers = f"{object.__basicsize__} {tuple.__basicsize__}"
    parts = llvmlite.__version__, llvm.get_process_triple(), llvm.get_host_cpu_name(), FEATURES, str(BYTES), headers
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12]


@cache
def _target_machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    relocation = "static" if target.name.startswith("x86") else "default"
    return target.create_target_machine(
        llvm.get_host_cpu_name(), FEATURES, opt=LEVEL, reloc=relocation, codemodel="jitdefault", jit=True
    )


@cache
def _engine() -> Any:
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine())


def compile_text(text: str) -> bytes:
    """Return the machine code of a module of LLVM assembly, as an object file."""
    module = llvm.parse_assembly(text)
    module.verify()
    machine = _target_machine()
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(LEVEL)
    # Loops are made of explicit Vectors, and long enough: LLVM's own vectorizers and longer loops would only take time.
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


_objects: list[Any] = []  # kept as long as their code


def load(code: bytes) -> None:
    """Take an object file into memory; what it refers to has to be there already."""
    _objects.append(llvm.ObjectFileRef.from_data(code))
    _engine().add_object_file(_objects[-1])


def address(symbol: str) -> int:
    """Where a function of what was loaded stands."""
    return int(_engine().get_function_address(symbol))
