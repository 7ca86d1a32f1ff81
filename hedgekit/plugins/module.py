"""A user's module file: read once, hashed, and run from just those bytes."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import platform
import re
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import metadata
from importlib.abc import InspectLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hedgekit.errors import ConfigError
from hedgekit.plugins.checks import PluginError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from types import CodeType, ModuleType

    from hedgekit.plugins.checks import Array

_HASH = re.compile(r"[0-9a-f]{64}")
_NAMES = ("scores", "ratios")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The bytes of a module file.

    Attributes
    ----------
    name : str
        Of the file, without its folder: what a journal may say.
    path : Path
    sha256 : str
        Of the bytes, 64 hexadecimal digits.
    code : bytes
    """

    name: str
    path: Path
    sha256: str
    code: bytes = field(repr=False)

    def described(self) -> dict[str, str]:
        """Return what journal and report say of it: name, hash, and the versions of what it rests on."""
        versions = ", ".join(f"{name} {version}" for name, version in versions_of(self.code).items())
        return {"plugin": self.name, "plugin_sha256": self.sha256, "plugin_versions": versions}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plugin(Source):
    """A user's module, loaded.

    Attributes
    ----------
    scores, ratios : callable or None
        Its functions (see :mod:`hedgekit.plugins`); an exception in one of them becomes a DataError that names the line.
    window : int or None
        How many bars a score needs at most, if the module says so by ``WINDOW``.
    """

    scores: Function | None = None
    ratios: Function | None = None
    window: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """One function of a module: called with mids, shape (bars, legs)."""

    plugin: Source = field(repr=False)
    name: str
    call: Callable[[Array], Any] = field(repr=False)
    window: int | None = None

    def __call__(self, mids: Array) -> Any:  # noqa: ANN401 - whatever a user's function returns
        """Call it.

        Raises
        ------
        DataError
            If it raises: its type, and the line of the file.
        """
        try:
            return self.call(mids)
        except (Exception, SystemExit) as error:
            where = _line(error, self.plugin)
            what = re.sub(r"\W", "?", type(error).__name__)[:64]
            msg = f"{self.name} raised {what}{where} on {len(mids)} bars"
            raise PluginError(msg, str(error)) from error


def read(path: str | os.PathLike[str], expect: str | None = None) -> Source:
    """Read a module file without running it.

    Parameters and errors are those of :func:`load`.
    """
    file = Path(path)
    try:
        code = file.read_bytes()
    except FileNotFoundError:
        msg = f"plugin {file}: there is no such file; give the Python file that defines scores(mids) or ratios(mids)"
        raise ConfigError(msg) from None
    except OSError as error:
        msg = f"plugin {file}: cannot be read ({error.strerror}); give the Python file that defines scores(mids) or ratios(mids)"
        raise ConfigError(msg) from None
    found = sha256(code).hexdigest()
    if expect is not None:
        _compare(file.name, found, expect)
    return Source(name=file.name, path=file, sha256=found, code=code)


def _compare(name: str, found: str, expect: str) -> None:
    wanted = expect.strip().lower().removeprefix("sha256:")
    if not _HASH.fullmatch(wanted):
        msg = f"plugin {name}: {expect!r} is no SHA-256 (64 hexadecimal digits); that of the file is {found}"
        raise ConfigError(msg)
    if wanted != found:
        msg = (
            f"plugin {name}: its SHA-256 is {found}, expected was {wanted}: the file has changed, or is another one; "
            "put the pinned file back, or read what changed and give its new hash"
        )
        raise ConfigError(msg)


def load(path: str | os.PathLike[str], expect: str | None = None) -> Plugin:
    """Load a user's module from a file.

    Parameters
    ----------
    path : path
        A Python file that defines ``scores(mids)``, ``ratios(mids)`` or both; see :mod:`hedgekit.plugins`.
    expect : str, optional
        The SHA-256 that the file must have.

    Returns
    -------
    Plugin
        Its functions, its name and its hash. What runs is what was hashed: the file is read once.

    Raises
    ------
    ConfigError
        If the file is missing, has another hash, is no Python, fails when it is run, or defines neither function, or one that
        cannot be called with mids alone.
    """
    return run(read(path, expect))


def run(source: Source) -> Plugin:
    """Run a module's bytes and return its functions; as :func:`load`."""
    module = _module(source)
    found = {name: getattr(module, name) for name in _NAMES if hasattr(module, name)}
    if not found:
        own = [name for name, value in vars(module).items() if inspect.isfunction(value) and value.__module__ == module.__name__]
        has = f"it defines {', '.join(own)}" if own else "it defines no function"
        msg = f"plugin {source.name}: neither scores(mids) nor ratios(mids) is there; {has}: name yours so"
        raise ConfigError(msg)
    for name, function in found.items():
        _check_call(source, name, function)
    window = getattr(module, "WINDOW", None)
    if window is not None and (isinstance(window, bool) or not isinstance(window, int) or window < 1):
        msg = f"plugin {source.name}: WINDOW = {window!r} must be a whole number of bars, 1 or more, or not be there"
        raise ConfigError(msg)
    functions = {name: Function(source, name, function, window if name == "scores" else None) for name, function in found.items()}
    plain = {name: getattr(source, name) for name in ("name", "path", "sha256", "code")}
    return Plugin(**plain, **functions, window=window)  # type: ignore[arg-type] # two dicts of different values


class _Bytes(InspectLoader):
    """Gives importlib the bytes that were hashed, and nothing else."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def get_source(self, fullname: str) -> str:  # noqa: ARG002 - importlib's signature
        """Return the text, for tracebacks."""
        return importlib.util.decode_source(self._source.code)

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - importlib's signature
        """Compile the bytes."""
        return self.source_to_code(self._source.code, str(self._source.path))


def check_signal(name: str, signal: str, *, scores: bool) -> None:
    """Refuse a module that does not go with the signal.

    Raises
    ------
    ConfigError
        If it has scores and they would not be heard, or has none and they are waited for.
    """
    if scores is not (signal == "user"):
        has = "scores(mids), which need signal='user'" if scores else "no scores(mids), which signal='user' needs"
        msg = f"plugin {name}: it has {has}; signal is {signal!r}"
        raise ConfigError(msg)


def _module(source: Source) -> ModuleType:
    name = f"hedgekit_plugin_{source.sha256[:16]}"
    loader = _Bytes(source)
    spec = importlib.util.spec_from_file_location(name, source.path, loader=loader)
    assert spec is not None  # noqa: S101 - a loader was given
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look a class's module up here
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a user's file raises is told, with its line
        del sys.modules[name]
        own = isinstance(error, SyntaxError) and error.filename == str(source.path)
        raise _unloaded(source, error) from (None if own else error)
    return module


def _unloaded(source: Source, error: BaseException) -> ConfigError:
    if isinstance(error, SyntaxError) and error.filename == str(source.path):
        text = f": {error.text.strip()!r}" if error.text else ""
        return ConfigError(f"plugin {source.name}{_at(error.lineno)}: {error.msg}{text}; mend the file")
    return ConfigError(f"plugin {source.name}{_line(error, source)}: {type(error).__name__} when it was loaded: {error}; mend the file")


def _check_call(source: Source, name: str, function: Any) -> None:  # noqa: ANN401 - whatever stands under that name
    if not callable(function):
        msg = f"plugin {source.name}: {name} is a {type(function).__name__}; define it as a function: def {name}(mids): ..."
        raise ConfigError(msg)
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        msg = f"plugin {source.name}: {name} must be a plain function that returns its numbers, neither async nor a generator"
        raise ConfigError(msg)
    try:
        signature = inspect.signature(function)
    except ValueError:  # a compiled function that tells nothing
        return
    try:
        signature.bind(None)
    except TypeError as error:
        msg = f"plugin {source.name}: {name}{signature} cannot be called as {name}(mids): {error}; give other arguments a default"
        raise ConfigError(msg) from None


def _line(error: BaseException, source: Source) -> str:
    """Return " at line n", the innermost line of the module that an exception passed through."""
    found, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(source.path):
            found = trace.tb_lineno
        trace = trace.tb_next
    return _at(found)


def _at(line: int | None) -> str:
    return "" if line is None else f" at line {line}"


def versions_of(code: bytes) -> dict[str, str]:
    """Return the versions of Python, numpy, pandas and of what a module imports by name, as far as they are installed under that name."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        tree = ast.Module([], [])
    names = {"numpy", "pandas"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return {"python": platform.python_version()} | {name: _version(name) for name in sorted(names - sys.stdlib_module_names)}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "of unknown version"
