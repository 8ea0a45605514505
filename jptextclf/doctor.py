"""Whether this machine can do the work: one finding for each check, with the command that mends it.

It trusts nothing to be there: packages are imported one at a time, and what goes wrong with one is its finding.
Nothing is changed and nothing is left behind. Secrets are looked for, never shown.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import locale
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import jptextclf
from jptextclf.atomic import sha256_of
from jptextclf.errors import JptextclfError
from jptextclf.guard import Finding
from jptextclf.messages import listing, text
from jptextclf.store import store_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

__all__ = ["Finding", "diagnose"]

_OLDEST_PYTHON, _NEWEST_PYTHON = (3, 11), (3, 13)
_TIMEOUT = 5.0
"""Seconds for the hub, and for the GPU driver's own program."""
_LITTLE_SPACE = 2 << 30
"""Bytes on a disk; one encoder with its working copy takes about so much."""
_LITTLE_MEMORY = 2 << 30
"""Bytes; less does not hold a small encoder with its optimizer."""
_IMPORT_TIMEOUT = 60.0
"""Seconds in which another process should have imported everything."""
_TRY_IMPORTS = """
import importlib, sys
for name in sys.argv[1:]:
    print(name, flush=True)
    try:
        importlib.import_module(name)
    except BaseException:
        pass
"""
_BROKEN = (Exception, SystemExit)
"""What a damaged package may raise when it is imported: its own code runs."""
_IMPORTED = ("torch", "transformers", "tokenizers", "sentencepiece", "fugashi")
_SUDACHI = ("small", "core", "full")


def diagnose(model: str | None = None, *, dictionary: str | None = None) -> list[Finding]:
    """Check this machine, and the encoder ``model`` if one is given.

    :param dictionary: of that encoder, where its files do not name it or name a wrong one
    """
    hub = _HubQuestion()
    found = [finding for name, check in _CHECKS for finding in _findings(name, check)]
    found += _findings("hub", lambda: [hub.finding()])
    if model is not None:
        found += _findings("model", lambda: _model(model, dictionary))
    return found


def _findings(name: str, check: Callable[[], list[Finding]]) -> list[Finding]:
    """What a check finds; a check that fails is a finding too."""
    try:
        with warnings.catch_warnings():
            # Packages warn about each other when they are imported; what matters here is whether they work.
            warnings.simplefilter("ignore")
            return check()
    except JptextclfError as error:
        return [Finding(name, "error", f"{error.code} {error.message}", error.hint)]
    except _BROKEN as error:
        return [
            Finding(
                name,
                "error",
                text("doctor.failed", problem=_problem(error)),
                text("doctor.failed_remedy", command="pip check"),
            )
        ]


def _python() -> list[Finding]:
    version = platform.python_version()
    found = text("doctor.python", version=version, system=f"{platform.system()} {platform.machine()}")
    if _OLDEST_PYTHON <= sys.version_info[:2] <= _NEWEST_PYTHON:
        return [Finding("python", "ok", found, "")]
    oldest, newest = (".".join(map(str, one)) for one in (_OLDEST_PYTHON, _NEWEST_PYTHON))
    remedy = text(
        "doctor.python_remedy", oldest=oldest, newest=newest, command=f"python{newest} -m venv .venv"
    )
    return [Finding("python", "error", found, remedy)]


def _own() -> list[Finding]:
    version = jptextclf.__version__
    installed = _version("jptextclf")
    if installed is None:
        return [
            Finding(
                "jptextclf",
                "warning",
                text("doctor.not_installed", version=version),
                text("doctor.run", command=_pip(".")),
            )
        ]
    if installed != version:
        found = text("doctor.two_versions", version=version, installed=installed)
        return [Finding("jptextclf", "warning", found, text("doctor.run", command=_pip("--upgrade", ".")))]
    return [Finding("jptextclf", "ok", version, "")]


def _torch() -> list[Finding]:
    found, torch = _package("torch")
    if torch is None:
        return [found]
    build = torch.version.cuda
    driver = _nvidia_driver()
    said = [
        torch.__version__,
        text("doctor.torch_cuda", version=build) if build else text("doctor.torch_cpu"),
    ]
    if driver is not None:
        said.append(text("doctor.driver", version=driver))
    try:
        gpus = _gpus(torch)
        said.append(text("doctor.gpus", names=listing(gpus)) if gpus else text("doctor.no_gpu"))
    except RuntimeError as error:
        gpus = []
        said.append(text("doctor.gpu_fails", problem=_problem(error)))
    line = text("words.comma").join(said)
    if driver is None or gpus:
        return [Finding("torch", "ok", line, "")]
    version = torch.__version__.partition("+")[0]
    command = _pip(
        "--force-reinstall", f"'torch=={version}'", "--index-url", "https://download.pytorch.org/whl/cu130"
    )
    if not build:
        return [Finding("torch", "warning", line, text("doctor.cpu_build_remedy", command=command))]
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None:
        line += text("words.comma") + f"CUDA_VISIBLE_DEVICES={hidden!r}"
        return [Finding("torch", "warning", line, text("doctor.run", command=_unset("CUDA_VISIBLE_DEVICES")))]
    return [Finding("torch", "warning", line, text("doctor.driver_remedy", command=command))]


def _gpus(torch: ModuleType) -> list[str]:
    """Names of the GPUs that really compute.

    :raises RuntimeError: one is seen and does not
    """
    if not torch.cuda.is_available():
        return []
    # Seeing a GPU is not enough: a build may lack the code for its generation.
    return [
        torch.cuda.get_device_name(number)
        for number in range(torch.cuda.device_count())
        if float(torch.ones(2, device=f"cuda:{number}").sum()) == 2
    ]


def _nvidia_driver() -> str | None:
    """Version of the NVIDIA driver, ``"?"`` where it does not say; None where there is no sign of a GPU."""
    program = shutil.which("nvidia-smi")
    if program is None and not any(Path("/dev").glob("nvidia[0-9]*")):
        return None
    with suppress(OSError):
        said = Path("/proc/driver/nvidia/version").read_text(encoding="ascii", errors="replace")
        if version := re.search(r"\b\d{3,}\.\d[\d.]*", said):
            return version[0]
    if program is not None:
        with suppress(OSError, subprocess.SubprocessError):
            asked = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
            done = subprocess.run(asked, capture_output=True, text=True, timeout=_TIMEOUT, check=True)
            return done.stdout.strip().split("\n")[0] or "?"
    return "?"


def _transformers() -> list[Finding]:
    return [_package("transformers")[0]]


def _tokenizers() -> list[Finding]:
    return [_package("tokenizers")[0]]


def _sentencepiece() -> list[Finding]:
    return [_package("sentencepiece")[0]]


def _fugashi() -> list[Finding]:
    found, fugashi = _package("fugashi")
    place = _dictionary_dir("unidic_lite", "dicdir") or _dictionary_dir("ipadic", "dicdir")
    if fugashi is None or place is None:
        return [found]
    try:
        tagger = fugashi.GenericTagger(f'-r "{place / "mecabrc"}" -d "{place}"')
        words = [word.surface for word in tagger("東京都に住む")]
    except RuntimeError as error:
        said = text("doctor.dictionary_refused", version=found.found, path=place, problem=_problem(error))
        again = text("doctor.run", command=_pip("--force-reinstall", "--no-deps", "fugashi", "unidic-lite"))
        return [Finding("fugashi", "error", said, again)]
    return [Finding("fugashi", "ok", f"{found.found}{text('words.comma')}{'/'.join(words)}", "")]


def _other_packages() -> list[Finding]:
    """The packages that this one asks for, beside those with a line of their own; only their versions are read."""
    own = {name for name, _ in _CHECKS}
    needed = {name: least for name, least in _needed().items() if name not in own}
    wrong = [
        f"{name}>={least}" if least else name
        for name, least in needed.items()
        if (version := _version(name)) is None or _is_older(version, least)
    ]
    if not wrong:
        return [Finding("packages", "ok", text("doctor.packages", n=len(needed)), "")]
    command = _pip(*(f"'{one}'" for one in wrong))
    return [
        Finding(
            "packages",
            "error",
            text("doctor.packages_wrong", names=listing(wrong, 20)),
            text("doctor.run", command=command),
        )
    ]


def _dictionaries() -> list[Finding]:
    found = [
        _dictionary(name, _dictionary_dir(module, "dicdir"), "sys.dic", name)
        for name, module in (("unidic-lite", "unidic_lite"), ("ipadic", "ipadic"))
    ]
    sudachi = {
        f"sudachidict-{size}": _dictionary_dir(f"sudachidict_{size}", "resources") for size in _SUDACHI
    }
    there = [name for name, place in sudachi.items() if place is not None]
    # One of the sizes is enough.
    found += [
        _dictionary(name, sudachi[name], "system.dic", "sudachipy", name)
        for name in there or ["sudachidict-core"]
    ]
    return found


def _dictionary(name: str, place: Path | None, file: str, *packages: str) -> Finding:
    if place is None:
        is_needed = name in _needed()
        said = text("doctor.missing") if is_needed else text("doctor.optional_missing")
        key = "doctor.run" if is_needed else "doctor.run_if_needed"
        return Finding(name, "error" if is_needed else "ok", said, text(key, command=_pip(*packages)))
    again = text("doctor.run", command=_pip("--force-reinstall", "--no-deps", name))
    try:
        size = (place / file).stat().st_size
        sha256 = sha256_of(place / file)
    except OSError as error:
        return Finding(
            name, "error", text("doctor.unreadable", path=place / file, problem=_problem(error)), again
        )
    if not size:
        return Finding(name, "error", text("doctor.empty", path=place / file), again)
    return Finding(
        name, "ok", text("doctor.dictionary", version=_version(name) or "?", file=file, sha256=sha256), ""
    )


def _dictionary_dir(module: str, folder: str) -> Path | None:
    """The folder of data inside a package, without running the package; None where it is not installed."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0]) / folder if places else None


def _mecab_settings() -> list[Finding]:
    """Settings of a MeCab of the system; the dictionaries' own are used instead."""
    there = [f"{name}={os.environ[name]!r}" for name in ("MECABRC", "MECAB_CHARSET") if name in os.environ]
    there += [path for path in ("/etc/mecabrc", "/usr/local/etc/mecabrc") if Path(path).exists()]
    said = text("doctor.mecab_ignored", found=listing(there)) if there else text("doctor.mecab_none")
    return [Finding("mecab-settings", "ok", said, "")]


def _cache() -> list[Finding]:
    home = _hub_home()
    place = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    return [_place("hub-cache", place, "warning", _export("HF_HOME", "DIR"))]


def _store() -> list[Finding]:
    return [_place("store", store_dir(), "error", _export("JPTEXTCLF_HOME", "DIR"))]


def _temporary() -> list[Finding]:
    try:
        place = Path(tempfile.gettempdir())
    except OSError as error:
        found = text("doctor.not_writable", path="TMPDIR", problem=_problem(error))
        remedy = text("doctor.place_remedy", command=_export("TMPDIR", "DIR"))
        return [Finding("temporary", "error", found, remedy)]
    return [_place("temporary", place, "error", _export("TMPDIR", "DIR"))]


def _current() -> list[Finding]:
    return [_place("current-directory", Path.cwd(), "warning", "cd DIR")]


def _place(name: str, place: Path, status: Any, command: str) -> Finding:
    """Whether a file can be written there, by writing one; a folder that is not there yet would be made."""
    there = place
    try:
        while not there.exists() and there != there.parent:
            there = there.parent
        with tempfile.NamedTemporaryFile(dir=there, prefix=".jptextclf-") as file:
            file.write(b"jptextclf")
            file.flush()
        free = shutil.disk_usage(there).free
    except OSError as error:
        found = text("doctor.not_writable", path=place, problem=_problem(error))
        return Finding(name, status, found, text("doctor.place_remedy", command=command))
    key = "doctor.writable" if there == place else "doctor.will_be_made"
    found = text(key, path=place, free=_gibibytes(free))
    if free < _LITTLE_SPACE:
        return Finding(name, "warning", found, text("doctor.space_remedy", command=command))
    return Finding(name, "ok", found, "")


def _locale() -> list[Finding]:
    encoding = getattr(sys.stdout, "encoding", None) or "?"
    asked = next(
        (f"{name}={value}" for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := os.environ.get(name))), ""
    )
    found = text(
        "doctor.locale", stdout=encoding, files=locale.getpreferredencoding(False), locale=asked or "-"
    )
    try:
        "日本語".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        remedy = text("doctor.locale_remedy", command=_export("PYTHONUTF8", "1"))
        return [Finding("locale", "warning", found, remedy)]
    return [Finding("locale", "ok", found, "")]


def _cpu() -> list[Finding]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cpu_quota()
    asked = os.environ.get("OMP_NUM_THREADS", "")
    found = text("doctor.cpu", n=usable)
    if quota is not None and quota < usable:
        found += text("words.comma") + text("doctor.cpu_quota", n=f"{quota:g}")
    if asked:
        found += text("words.comma") + f"OMP_NUM_THREADS={asked}"
    share = max(1, int(min(usable, quota or usable)))
    threads = int(asked) if asked.isdigit() else usable
    if threads > share:
        command = _export("OMP_NUM_THREADS", str(share))
        return [Finding("cpu", "warning", found, text("doctor.cpu_remedy", command=command))]
    return [Finding("cpu", "ok", found, "")]


def _cpu_quota() -> float | None:
    """CPUs that a container may use at a time; None where there is no limit, or none that is known."""
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return float(quota) / float(period)
    return None


def _memory() -> list[Finding]:
    total, available = _memory_sizes()
    if total is None or available is None:
        return [Finding("memory", "ok", text("doctor.memory_unknown"), "")]
    found = text("doctor.memory", total=_gibibytes(total), available=_gibibytes(available))
    if available < _LITTLE_MEMORY:
        remedy = text("doctor.memory_remedy", command="--max-tokens 2048 --max-length 128")
        return [Finding("memory", "warning", found, remedy)]
    return [Finding("memory", "ok", found, "")]


def _memory_sizes() -> tuple[int | None, int | None]:
    """Bytes in all and still available, of the machine or of the container; None where that is not known."""
    try:
        said = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace")
        sizes = {
            name: int(size) << 10 for name, size in re.findall(r"^(\w+):\s+(\d+) kB$", said, re.MULTILINE)
        }
        total, available = sizes["MemTotal"], sizes["MemAvailable"]
    except (OSError, KeyError):
        return None, None
    with suppress(OSError, ValueError):
        control = Path("/sys/fs/cgroup")
        limit = int((control / "memory.max").read_text(encoding="ascii"))
        used = int((control / "memory.current").read_text(encoding="ascii"))
        total, available = min(total, limit), min(available, max(0, limit - used))
    return total, available


class _HubQuestion:
    """Whether the hub answers; asked in the background, since that may take as long as all other checks."""

    def __init__(self) -> None:
        address = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        # A name and password in the address are nobody's business.
        self.endpoint = re.sub("//[^/]*@", "//", address).rstrip("/")
        self._can_be_asked = _is_web_address(self.endpoint)
        self._answer: tuple[str, str] | None = None
        self._thread = threading.Thread(target=self._ask, daemon=True)
        if self._can_be_asked and not _offline():
            self._thread.start()

    def finding(self) -> Finding:
        token = _token()
        more = text("words.comma") + (text("doctor.token", where=token) if token else text("doctor.no_token"))
        if offline := _offline():
            return Finding("hub", "ok", text("doctor.hub_offline", variable=offline) + more, "")
        remedy = text("doctor.hub_remedy", command=_export("HF_HUB_OFFLINE", "1"))
        if not self._can_be_asked:
            found = text("doctor.hub_no_address", endpoint=self.endpoint)
            return Finding("hub", "error", found, text("doctor.run", command=_unset("HF_ENDPOINT")))
        # A name server that does not answer is not bound by the timeout of the connection.
        self._thread.join(_TIMEOUT)
        kind, detail = self._answer or ("unreachable", "timeout")
        found = text(f"doctor.hub_{kind}", endpoint=self.endpoint, detail=detail) + more
        return Finding(
            "hub", "ok" if kind == "answers" else "warning", found, "" if kind == "answers" else remedy
        )

    def _ask(self) -> None:
        request = Request(  # noqa: S310 - the scheme is http or https
            f"{self.endpoint}/api/models?limit=1",
            headers={"User-Agent": f"jptextclf/{jptextclf.__version__}"},
        )
        try:
            with urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - as above
                json.loads(answer.read(1 << 20))
            self._answer = ("answers", "")
        except HTTPError as error:
            self._answer = ("refuses", str(error.code))
        except ValueError:
            self._answer = ("differs", "")
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to
            reason = getattr(error, "reason", error)
            self._answer = ("unreachable", _problem(reason) if isinstance(reason, Exception) else str(reason))


def _is_web_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        # Reading the port is what checks it.
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _offline() -> str:
    """The variable that keeps the hub libraries off the network, with its value; empty where none does."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"}:
            return f"{name}={os.environ[name]}"
    return ""


def _token() -> str:
    """Where a token of the hub is; it is not read."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if os.environ.get(name):
            return name
    path = Path(os.environ.get("HF_TOKEN_PATH") or _hub_home() / "token").expanduser()
    with suppress(OSError):
        if path.stat().st_size:
            return str(path)
    return ""


def _hub_home() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("HF_HOME") or Path(cache) / "huggingface").expanduser()


def _model(model: str, dictionary: str | None) -> list[Finding]:
    from jptextclf.guard import check_model

    return check_model(model, dictionary=dictionary)


def _package(name: str) -> tuple[Finding, ModuleType | None]:
    """A package whose module has its name: whether it is there, new enough, and can be imported."""
    needed = _needed()
    least = needed.get(name, "")
    wanted = f"'{name}>={least}'" if least else name
    version = _version(name)
    killer, last_words = _killer()
    if killer:
        key = "doctor.ends_python" if killer == name else "doctor.not_tried"
        found = text(key, version=version or "?", problem=last_words, package=killer)
        again = text("doctor.run", command=_pip("--force-reinstall", wanted)) if killer == name else ""
        return Finding(name, "error" if killer == name else "warning", found, again), None
    try:
        module = importlib.import_module(name)
    except _BROKEN as error:
        if version is not None:
            found = text("doctor.broken", version=version, problem=_problem(error))
            again = text("doctor.run", command=_pip("--force-reinstall", wanted))
            return Finding(name, "error", found, again), None
        is_needed = name in needed or not needed
        said = text("doctor.missing") if is_needed else text("doctor.optional_missing")
        key = "doctor.run" if is_needed else "doctor.run_if_needed"
        return Finding(name, "error" if is_needed else "ok", said, text(key, command=_pip(wanted))), None
    version = version or str(getattr(module, "__version__", "?"))
    if least and _is_older(version, least):
        found = text("doctor.too_old", version=version, least=least)
        return Finding(name, "error", found, text("doctor.run", command=_pip("--upgrade", wanted))), None
    return Finding(name, "ok", version, ""), module


@cache
def _killer() -> tuple[str, str]:
    """The package whose import ends Python itself, with the last thing said then; empty where none does.

    Native code can do so, for instance in a working directory that was deleted; another process tries it first.
    """
    if "torch" in sys.modules:
        return "", ""
    asked = [sys.executable, "-c", _TRY_IMPORTS, *_IMPORTED]
    try:
        done = subprocess.run(asked, capture_output=True, timeout=_IMPORT_TIMEOUT, check=False)
        status, out, err = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as error:
        status, out, err = 1, error.stdout or b"", b"timeout"
    if status == 0:
        return "", ""
    tried = out.decode("utf-8", "replace").split()
    said = err.decode("utf-8", "replace").strip().split("\n")[-1][:200]
    return (tried[-1], said or f"status {status}") if tried else ("", "")


def _needed() -> dict[str, str]:
    """What this package's own record asks for: name -> lowest version, empty where any will do."""
    return dict(_read_needed())


def _read_needed() -> Iterator[tuple[str, str]]:
    try:
        lines = metadata.requires("jptextclf") or []
    except metadata.PackageNotFoundError:
        return
    for line in lines:
        requirement, _, marker = line.partition(";")
        if "extra" not in marker and (name := re.match(r"[\w.-]+", requirement)):
            least = re.search(r">=\s*([\d.]+)", requirement)
            yield name[0].lower().replace("_", "-"), least[1] if least else ""


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except _BROKEN:
        return None


def _is_older(version: str, least: str) -> bool:
    return _numbers(version) < _numbers(least)


def _numbers(version: str) -> list[int]:
    """``"2.10.0+cpu"`` -> ``[2, 10]``; zeros at the end do not count."""
    numbers = [int(one) for one in re.findall(r"\d+", re.split(r"[^\d.]", version, maxsplit=1)[0])]
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers


def _problem(error: BaseException) -> str:
    """The kind of an error and the first line of what it says."""
    said = (error.strerror if isinstance(error, OSError) else None) or str(error).strip()
    first = said.split("\n")[0][:200]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _gibibytes(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB"


def _pip(*arguments: str) -> str:
    return " ".join(["python -m pip install", *arguments])


def _export(name: str, value: str) -> str:
    return f"set {name}={value}" if sys.platform == "win32" else f"export {name}={value}"


def _unset(name: str) -> str:
    return f"set {name}=" if sys.platform == "win32" else f"unset {name}"


_CHECKS: tuple[tuple[str, Callable[[], list[Finding]]], ...] = (
    ("python", _python),
    ("jptextclf", _own),
    ("torch", _torch),
    ("transformers", _transformers),
    ("tokenizers", _tokenizers),
    ("sentencepiece", _sentencepiece),
    ("fugashi", _fugashi),
    ("packages", _other_packages),
    ("dictionaries", _dictionaries),
    ("mecab-settings", _mecab_settings),
    ("hub-cache", _cache),
    ("store", _store),
    ("temporary", _temporary),
    ("current-directory", _current),
    ("locale", _locale),
    ("cpu", _cpu),
    ("memory", _memory),
)
