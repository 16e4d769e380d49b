"""Builds the one extension of the package; everything else is in pyproject.toml.

Environment:
    AMQP10_DEBUG=1: line tracing, assertions, no optimization.
    AMQP10_SANITIZE=1: address and undefined-behavior sanitizers, assertions.
        Loading the result takes LD_PRELOAD of the compiler's libasan.
    CFLAGS, LDFLAGS: as everywhere; an -O in CFLAGS replaces ours.
"""

import os
from glob import glob
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("AMQP10_DEBUG") == "1"
SANITIZE = os.environ.get("AMQP10_SANITIZE") == "1"
VARIANT = "-".join(["debug"] * DEBUG + ["sanitize"] * SANITIZE) or "release"
SANITIZERS = [
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=undefined",
    "-fno-omit-frame-pointer",
]


def macros() -> list[tuple[str, str | None]]:
    """Returns the macros that Cython's generated C looks at."""
    if DEBUG:
        return [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1")]
    return [] if SANITIZE else [("CYTHON_WITHOUT_ASSERTIONS", "1")]


def unix_compile_args() -> list[str]:
    """Returns flags for gcc and clang; they come after CFLAGS, so they must not undo it."""
    if SANITIZE:
        return ["-O1", "-g", *SANITIZERS]
    if DEBUG:
        return ["-O0", "-g"]
    return [] if "-O" in os.environ.get("CFLAGS", "") else ["-O3"]


def stamp() -> str:
    """Returns a file that is newer than an extension that was built in another way.

    Without it, build_ext compares only the sources with what is there, and a release build after
    a sanitizer build would leave the latter in place.
    """
    path = Path("build", "variant")
    state = f"{VARIANT} {os.environ.get('CFLAGS', '')}\n"
    if not path.exists() or path.read_text(encoding="utf-8") != state:
        path.parent.mkdir(exist_ok=True)
        path.write_text(state, encoding="utf-8")
    return path.as_posix()


class BuildCodec(build_ext):
    """Translates the .pyx only when something is built, so an sdist carries no generated C."""

    def build_extensions(self) -> None:
        for extension in self.extensions:
            extension.depends = [*extension.depends, stamp()]
            translated = cythonize(
                [extension],
                build_dir=f"build/cython-{VARIANT}",
                compiler_directives={"linetrace": DEBUG},
            )
            extension.sources = translated[0].sources
            if self.compiler.compiler_type != "msvc":
                extension.extra_compile_args = unix_compile_args()
                extension.extra_link_args = SANITIZERS if SANITIZE else []
        super().build_extensions()


setup(
    cmdclass={"build_ext": BuildCodec},
    ext_modules=[
        Extension(
            "amqp10._codec",
            sources=["amqp10/_codec.pyx"],
            depends=sorted(glob("amqp10/_codec_parts/*.pxi")),
            define_macros=macros(),
        )
    ],
)
