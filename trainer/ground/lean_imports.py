"""How diffusers and transformers are imported without what they look up and never use in a run.

That is a third of what both take otherwise: transformers reads all 1,700 files of its models to know their names, and
diffusers asks of which distribution each file of the environment is. All of it is there for who asks for it by name.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

# whose names diffusers and transformers ask for while SDXL's parts are imported
FAMILIES = ("auto", "clip", "dinov2_with_registers", "siglip", "vit_mae")
UTILS = "transformers.utils.import_utils"

Structure = dict[Any, dict[str, Any]]  # backends: module: names


@contextmanager
def lean_imports() -> Iterator[None]:
    """For as long as it lasts an import of diffusers or transformers leaves away what is named above.

    Another version of theirs may need it, and raise anything: then `forget` them, and import them as they stand.
    """
    with _with_distributions_later(), _with_few_families():
        yield


def forget() -> None:
    """Let go of what was imported of them so far."""
    for name in [one for one in sys.modules if one.partition(".")[0] in ("diffusers", "transformers")]:
        del sys.modules[name]


@contextmanager
def _with_distributions_later() -> Iterator[None]:
    """diffusers keeps which distribution each package is of, and nearly never asks."""
    whole = importlib.metadata.packages_distributions
    setattr(importlib.metadata, "packages_distributions", lambda: _WhenAsked(whole))  # noqa: B010 - of another type
    try:
        yield
    finally:
        importlib.metadata.packages_distributions = whole


class _WhenAsked(Mapping[str, list[str]]):
    """Of which distributions a package is, looked up when somebody wants to know."""

    def __init__(self, whole: Callable[[], Mapping[str, list[str]]]) -> None:
        self._whole = whole

    @cached_property
    def _found(self) -> Mapping[str, list[str]]:
        return self._whole()

    def __getitem__(self, name: str) -> list[str]:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


class _Package(ModuleType):
    """A package whose modules can be imported; its own lines run when a name of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self.__spec__ is None or self.__spec__.loader is None:
            raise AttributeError(name)
        self.__class__ = ModuleType  # type: ignore[assignment]
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)


def open_when_asked(name: str) -> None:
    """Have a package run its own lines when a name of it is asked for, and not where a module of it is imported."""
    spec = importlib.util.find_spec(name) if name not in sys.modules else None
    if spec is None or spec.submodule_search_locations is None:
        return  # another version of the library: it is imported as it stands
    package = _Package(name)
    package.__spec__, package.__file__, package.__package__ = spec, spec.origin, name
    package.__loader__, package.__path__ = spec.loader, spec.submodule_search_locations
    sys.modules[name] = package


@contextmanager
def _with_few_families() -> Iterator[None]:
    """transformers knows the names of FAMILIES; of all others once one is asked for that is not among them."""
    found: list[_Narrow] = []
    first = _Afterwards(UTILS, lambda utils: found.append(_Narrow(utils)))
    sys.meta_path.insert(0, first)
    try:
        yield
    finally:
        sys.meta_path.remove(first)
        for one in found:
            one.end()


class _Afterwards:
    """Finds one module as Python does, and acts on it when its own lines have run."""

    def __init__(self, name: str, act: Callable[[ModuleType], None]) -> None:
        self._name, self._act = name, act

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """As `importlib.abc.MetaPathFinder` has it."""
        spec = PathFinder.find_spec(name, path) if name == self._name else None
        if spec is None or spec.loader is None:
            return None
        own = spec.loader.exec_module

        def run(module: ModuleType) -> None:
            own(module)
            self._act(module)

        spec.loader.exec_module = run  # type: ignore[method-assign]
        return spec


class _Narrow:
    """What tells transformers which names its models have, for some of them."""

    def __init__(self, utils: Any) -> None:
        self._utils, self._own = utils, utils.define_import_structure
        self._models = Path(utils.__file__).parents[1] / "models"
        utils.define_import_structure = self._structure

    def end(self) -> None:
        """As it was, and what was left out is there when it is asked for."""
        utils = self._utils
        utils.define_import_structure = self._own
        for name, prefix in (("transformers", "models"), ("transformers.models", None)):
            if isinstance(module := sys.modules.get(name), utils._LazyModule):
                _widen_when_asked(module, lambda prefix=prefix: self._own(str(self._models), prefix=prefix))

    def _structure(self, path: str | Path, prefix: str | None = None) -> Structure:
        place = Path(path)
        if (place.parent if place.suffix else place) != self._models:
            return self._own(path, prefix)
        found: Structure = {frozenset(): {}}
        for family in FAMILIES:
            if (folder := self._models / family).is_dir():
                for backends, names in self._own(folder, prefix=f"{prefix}.{family}" if prefix else family).items():
                    found.setdefault(backends, {}).update(names)
        return found


def _widen_when_asked(module: Any, whole: Callable[[], Structure]) -> None:
    """Have a lazy module take in the `whole` of its names once one is asked for that it does not know."""
    kind = type(module)

    class Narrow(kind):
        def __getattr__(self, name: str) -> Any:
            try:
                return kind.__getattr__(self, name)
            except AttributeError:
                if name.startswith("_"):
                    raise
            self.__class__ = kind
            _take_in(vars(self), vars(kind(self.__name__, self.__file__, whole(), module_spec=self.__spec__)))
            return getattr(self, name)

    module.__class__ = Narrow


def _take_in(mine: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Whatever tables a version of a lazy module has: of each what is not there yet."""
    for name, other in more.items():
        own = mine.setdefault(name, other)
        if isinstance(own, dict) and isinstance(other, dict):
            mine[name] = other | own
        elif isinstance(own, set | list) and isinstance(other, set | list):
            mine[name] = type(own)([*own, *(one for one in other if one not in own)])
