"""A CUDA device in software, for what can be known of a GPU where none is: `use` it before anything else of torch.

`card.cpp` says what it keeps to. It is compiled once for a torch, in some 20 seconds, with the machine's own compiler.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

SOURCES = Path(__file__).with_suffix(".cpp"), Path(__file__).with_name("memory.h")
TOTAL = 24 * 10**9  # bytes that it has, unless a test leaves it less


def why_not() -> str:
    """Why there can be none here; empty where there can."""
    if sys.platform != "linux":
        return "the software card is made for Linux"
    if shutil.which("g++") is None:
        return "the software card is compiled with g++, which is not here"
    return "" if "+cpu" in version("torch") else "this torch has CUDA of its own"


def library() -> Path:
    """The compiled card. Raises CalledProcessError where it does not compile, PermissionError in another's folder."""
    found = find_spec("torch")
    assert found is not None and found.origin is not None
    torch = Path(found.origin).parent
    sources = b"".join(one.read_bytes() for one in SOURCES)
    digest = hashlib.blake2b(sources + version("torch").encode(), digest_size=8).hexdigest()
    path = Path(tempfile.gettempdir()) / f"loratui-card-{os.getuid()}" / f"{digest}.so"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.parent.stat().st_uid != os.getuid():  # who could have put another program there
        raise PermissionError(f"{path.parent} is another user's")
    if not path.exists():
        made = path.with_suffix(f".{os.getpid()}")
        where = [f"-I{torch}/include", f"-L{torch}/lib", f"-Wl,-rpath,{torch}/lib"]
        command = ["g++", "-std=c++20", "-O1", "-fPIC", "-shared", str(SOURCES[0]), "-o", str(made), *where]
        subprocess.run([*command, "-lc10", "-ltorch", "-ltorch_cpu"], check=True, capture_output=True)
        made.replace(path)
    return path


class Card:
    """What a test asks of the card in use."""

    def __init__(self) -> None:
        own = self._own = ctypes.CDLL(str(library()), mode=ctypes.RTLD_GLOBAL)
        own.card_recorded.restype = ctypes.c_void_p
        own.card_waits.restype = own.card_replay.restype = ctypes.c_char_p
        own.card_held.restype = own.card_peak.restype = ctypes.c_size_t
        own.card_length.restype = ctypes.c_long
        self.recordings: list[int] = []  # how many operations each has

    def waits(self) -> dict[str, int]:
        """What made the host wait since this was asked last, and how often."""
        lines = self._own.card_waits().decode().splitlines()
        return {what: int(times) for times, _, what in (line.partition(" ") for line in lines)}

    def limit(self, more: int | None) -> None:
        """So many bytes beside those that are held, and no more; None for all there are."""
        self._own.card_limit(ctypes.c_size_t(TOTAL if more is None else self.held() + more))

    def held(self) -> int:
        """Bytes of all that lies on it."""
        return int(self._own.card_held())

    def peak(self) -> int:
        """The most that it held since `peak_anew`."""
        return int(self._own.card_peak())

    def peak_anew(self) -> None:
        """Count the peak from here on."""
        self._own.card_peak_anew()

    @contextmanager
    def recording(self, graph: _Graph) -> Iterator[None]:
        """Record what is done meanwhile."""
        self._own.card_record()
        try:
            yield
        finally:
            graph.nodes = ctypes.c_void_p(self._own.card_recorded())
            self.recordings.append(self._own.card_length(graph.nodes))

    def is_recording(self) -> bool:
        """Whether a recording is being made."""
        return bool(self._own.card_is_recording())

    def replay(self, graph: _Graph) -> None:
        """Do it again. Raises RuntimeError."""
        if error := self._own.card_replay(graph.nodes):
            raise RuntimeError(error.decode())

    def forget(self, graph: _Graph) -> None:
        """Free what a recording holds."""
        self._own.card_forget(graph.nodes)


class _Graph:
    card: Card
    nodes: Any = None

    def replay(self) -> None:
        self.card.replay(self)

    def pool(self) -> tuple[int, int]:
        return 0, 1

    def __del__(self) -> None:
        if self.nodes is not None:
            self.card.forget(self)


class _Event:
    """On a device that is always done."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self._seen = threading.Event()

    def record(self, *_: Any) -> None:
        self._seen.set()

    def synchronize(self) -> None:
        assert self._seen.is_set()


class _Stream:
    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def wait_stream(self, other: _Stream) -> None:
        assert isinstance(other, _Stream)


def use() -> Card:
    """Put the card into this process, in which torch may not have been imported yet: there is no way back."""
    assert "torch" not in sys.modules
    card = Card()
    import torch

    _Graph.card = card
    card.limit(None)
    for name in ("getCurrentRawStream", "getDevice", "setDevice", "exchangeDevice", "maybeExchangeDevice"):
        setattr(torch._C, f"_cuda_{name}", lambda *_: 0)
    for name, value in _asked(card).items():
        setattr(torch.cuda, name, value)
    attention(torch)
    return card


def _asked(card: Card) -> dict[str, Any]:
    """Of torch.cuda what loratui's trainer, diffusers and transformers ask."""

    @contextmanager
    def graph(one: _Graph, pool: Any = None, stream: Any = None, capture_error_mode: str = "global") -> Iterator[None]:
        with card.recording(one):
            yield

    @contextmanager
    def stream(_: _Stream) -> Iterator[None]:
        yield

    facts = SimpleNamespace(total_memory=TOTAL, name="a card in software", major=8, minor=0)
    always: dict[str, Any] = {"is_available": True, "is_initialized": True, "device_count": 1, "current_device": 0}
    always |= {"get_device_name": facts.name, "get_device_properties": facts, "is_bf16_supported": True}
    always |= {"get_device_capability": (8, 0), "current_stream": _Stream()}
    always |= dict.fromkeys(("_lazy_init", "init", "set_device", "empty_cache", "synchronize", "manual_seed_all"))
    asked: dict[str, Any] = {name: lambda *_, value=value: value for name, value in always.items()}
    asked |= {name: lambda *_: card.held() for name in ("memory_allocated", "memory_reserved")}
    asked |= {name: lambda *_: card.peak() for name in ("max_memory_allocated", "max_memory_reserved")}
    asked |= {"reset_peak_memory_stats": lambda *_: card.peak_anew()}
    asked |= {"is_current_stream_capturing": lambda: card.is_recording()}
    asked |= {"mem_get_info": lambda *_: (TOTAL - card.held(), TOTAL)}
    return asked | {"Event": _Event, "Stream": _Stream, "stream": stream, "CUDAGraph": _Graph, "graph": graph}


def attention(torch: Any) -> None:
    """torch's attention kernels of a GPU, with their signatures and what they insist on, by the processor's."""
    aten, own = torch.ops.aten, torch.library.Library("aten", "IMPL")
    forth, back = (
        aten._scaled_dot_product_flash_attention_for_cpu,
        aten._scaled_dot_product_flash_attention_for_cpu_backward,
    )

    def nothing(dtype: Any, *size: int) -> Any:
        return torch.empty(size, dtype=dtype, device="cuda")

    def flash(
        q: Any, k: Any, v: Any, p: float = 0.0, causal: bool = False, debug: bool = False, scale: Any = None
    ) -> Any:
        assert q.dtype in (torch.float16, torch.bfloat16) and q.shape[-1] % 8 == 0
        assert all(one.stride(-1) == 1 for one in (q, k, v))
        out, sums = forth(q, k, v, p, causal, scale=scale)
        seed, offset = nothing(torch.uint64, 2), nothing(torch.uint64)
        return out, sums, None, None, q.shape[2], k.shape[2], seed, offset, nothing(q.dtype, 0)

    def flash_back(grad: Any, q: Any, k: Any, v: Any, out: Any, sums: Any, *more: Any, scale: Any = None) -> Any:
        starts_q, starts_k, most_q, most_k, p, causal, seed, offset = more
        assert starts_q is None and starts_k is None and (most_q, most_k) == (q.shape[2], k.shape[2])
        assert seed.dtype == offset.dtype == torch.uint64
        return back(grad, q, k, v, out, sums, p, causal, scale=scale)

    def lean(
        q: Any, k: Any, v: Any, bias: Any, sums: bool, p: float = 0.0, causal: bool = False, scale: Any = None
    ) -> Any:
        assert bias is None and sums
        return *forth(q, k, v, p, causal, scale=scale), nothing(torch.int64), nothing(torch.int64)

    def lean_back(
        grad: Any, q: Any, k: Any, v: Any, bias: Any, out: Any, sums: Any, *more: Any, scale: Any = None
    ) -> Any:
        _, _, p, wanted, *causal = more
        assert bias is None and wanted == [True, True, True, False]
        return *back(grad, q, k, v, out, sums, p, bool(causal and causal[0]), scale=scale), None

    kernels = {"flash": flash, "efficient": lean}
    for name, one in kernels.items():
        own.impl(f"_scaled_dot_product_{name}_attention", one, "CUDA")
    for name, one in {"flash": flash_back, "efficient": lean_back}.items():
        own.impl(f"_scaled_dot_product_{name}_attention_backward", one, "CUDA")
    asked = torch.backends.cuda
    asked.SDPAParams = lambda q, *_: q
    asked.can_use_flash_attention = lambda q, debug=False: q.dtype != torch.float32 and q.shape[-1] % 8 == 0
    asked.can_use_efficient_attention = lambda q, debug=False: True
    Card.kernels = own  # which lasts as long as it
