"""The stores behind URLs: fsspec's file systems, made where they are needed, and what they raise in plain words.

Credentials are each library's own affair (environment, profiles, roles): none stands in a URL, a message or a record.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from importlib import import_module
from typing import Any, NoReturn

from adapter.errors import BadInputError

URL = re.compile(r"(?P<protocol>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_EXTRAS = {
    name: extra
    for extra, names in {
        "s3": ("s3", "s3a"),
        "gs": ("gs", "gcs"),
        "abfs": ("abfs", "abfss", "az"),
    }.items()
    for name in names
}
"""The extra of kilobench that brings a protocol's library."""
_NO_STORES = frozenset(
    {
        *("http", "https", "data"),  # without folders that can be listed
        *(
            "simplecache",
            "filecache",
            "blockcache",
            "cached",
            "dir",
            "generic",
            "reference",
            "zip",
            "tar",
            "libarchive",
        ),
    }
)
"""Protocols of fsspec that are no stores of their own."""

_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {
        "config_kwargs": {
            "connect_timeout": 5,
            "read_timeout": 20,
            "retries": {"total_max_attempts": 3, "mode": "standard"},
        },
    },
    "gs": {"requests_timeout": 60},
}
"""Patience in seconds, by extra: the libraries' own is minutes."""
_ATTEMPTS = 2
"""How often s3fs and gcsfs themselves try what may go better the second time."""

_RAISED = {
    "s3fs": ("botocore.exceptions:BotoCoreError", "aiohttp:ClientError"),
    "gcsfs": ("gcsfs.retry:HttpError", "google.auth.exceptions:GoogleAuthError", "aiohttp:ClientError"),
    "adlfs": ("azure.core.exceptions:AzureError", "aiohttp:ClientError"),
}
"""What a library raises beside OSError and ValueError."""
_SILENT = {
    "s3fs": ("botocore.exceptions:HTTPClientError", "botocore.exceptions:ConnectionError"),
    "gcsfs": ("google.auth.exceptions:TransportError", "aiohttp:ClientConnectionError"),
    "adlfs": ("azure.core.exceptions:ServiceRequestError", "azure.core.exceptions:ServiceResponseError"),
}
"""Which of it says that nobody answers."""
_LOGGERS = ("s3fs", "gcsfs", "adlfs", "botocore", "aiobotocore", "azure", "google", "fsspec")
_NO_KEYS = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError")
_KEYS = {
    "s3": "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use an instance's role.",
    "gs": "Set GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`.",
    "abfs": "Set AZURE_STORAGE_ACCOUNT_NAME with its key or token, or run `az login`.",
}


class StoreError(OSError):
    """A store refused, or could not be asked.

    Attributes:
        hint: what to do next.
    """

    hint = "Check the URL, and what the credentials of this environment may read."


class SilentStoreError(StoreError):
    """The store does not answer, however often it is asked."""

    hint = "Check the network and the store's address (AWS_ENDPOINT_URL for S3), and run the same command again."


class NoKeyError(StoreError):
    """There are no credentials."""


@dataclass(frozen=True, slots=True)
class Store:
    """A bucket, as this process reads it.

    Attributes:
        fs: fsspec's file system.
        root: the bucket, by the file system's own spelling.
        extra: of kilobench, which brings its library; None for a protocol without one.
        raised: what its library raises beside OSError.
        silent: which of these say that nobody answers.
    """

    fs: Any
    root: str
    extra: str | None
    raised: tuple[type[Exception], ...]
    silent: tuple[type[Exception], ...]

    def key(self, parts: tuple[str, ...]) -> str:
        """The file system's own spelling of a path's parts, which begin with protocol and bucket."""
        return "/".join((self.root, *parts[2:]))

    @contextmanager
    def asking(self, url: str) -> Generator[None]:
        """While the store is asked about a URL: whatever its library raises becomes an OSError in plain words.

        Raises:
            FileNotFoundError: there is nothing.
            SilentStoreError: nobody answers.
            StoreError: it refuses, or there are no credentials.
        """
        try:
            yield
        except self.silent as error:
            said = f"the store does not answer ({type(error).__name__})"
            raise SilentStoreError(errno.ETIMEDOUT, said, url) from error
        except FileNotFoundError as error:
            if _code(error) == "NoSuchBucket":
                raise StoreError(errno.ENODEV, f"there is no bucket {self.root}", url) from error
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url) from error
        except (*self.raised, OSError, ValueError) as error:
            raise self._said(error, url) from error

    def _said(self, error: Exception, url: str) -> StoreError:
        code = _code(error)
        if type(error).__name__ in _NO_KEYS:
            lacking = NoKeyError(errno.EACCES, "there are no credentials for the store", url)
            lacking.hint = _KEYS.get(self.extra or "", NoKeyError.hint)
            return lacking
        if isinstance(error, PermissionError) or _is_forbidden(error):
            said = "" if code is None or not code.isalpha() else f" ({code})"
            return StoreError(errno.EACCES, f"the store gives no permission{said}", url)
        if code is not None:
            return StoreError(errno.EIO, f"the store answers {code}", url)
        from adapter.redact import redact_text  # it reads files itself

        first = redact_text((str(error).strip() or type(error).__name__).splitlines()[0][:200], Counter())
        return StoreError(errno.EIO, f"the store cannot be asked: {first.rstrip('.')}", url)


def check_url(protocol: str, rest: str) -> None:
    """Whether such a URL can be read here, before anything is asked.

    Args:
        protocol: in lower case.
        rest: what follows `://`.

    Raises:
        BadInputError: its protocol is none that is known, its library is not installed, it names no bucket, or it
            holds credentials, which are not shown.
    """
    place = rest.partition("/")[0]
    user, _, host = place.rpartition("@")
    port = host.partition(":")[2]
    is_known = protocol in _EXTRAS
    keyed = (
        ":" in user or (user and _EXTRAS.get(protocol) in ("s3", "gs")) or (port and (is_known or not port.isdigit()))
    )
    if keyed or re.search(r"\?[^/]*=", rest):
        raise BadInputError(
            f"A URL of a job's folder ({protocol}://) holds a user, a key or a query; it is not shown here.",
            "Leave them out: credentials are found in the environment, as the store's own tools find them.",
        )
    if not place:
        raise BadInputError(f"{protocol}:// names no bucket.", f"Give {protocol}://BUCKET/FOLDER.")
    _library(protocol)


def _library(protocol: str) -> Any:
    """Fsspec's class for a protocol, imported here."""
    extra = _EXTRAS.get(protocol)
    try:
        from fsspec.registry import get_filesystem_class, known_implementations
    except ModuleNotFoundError as error:
        _refuse_missing(protocol, extra or "s3", error)
    if protocol in _NO_STORES:
        raise _unknown(protocol)
    try:
        return get_filesystem_class(protocol)
    except ImportError as error:
        if extra is not None:
            _refuse_missing(protocol, extra, error)
        hint = str(known_implementations.get(protocol, {}).get("err", "Install what fsspec needs for it."))
        raise BadInputError(f"{protocol}:// needs a library that is not there.", hint) from error
    except ValueError as error:
        raise _unknown(protocol) from error


def _unknown(protocol: str) -> BadInputError:
    return BadInputError(
        f"{protocol}:// is no protocol that job folders can be read by.", "Use s3://, gs:// or abfs://, or a folder."
    )


def _refuse_missing(protocol: str, extra: str, error: ImportError) -> NoReturn:
    needed = {"s3": "s3fs", "gs": "gcsfs", "abfs": "adlfs"}[extra]
    raise BadInputError(
        f"{protocol}:// needs {needed}, which is not there or cannot be imported.",
        f'Install it: pip install "kilobench[{extra}]".',
    ) from error


def store_of(parts: tuple[str, ...]) -> Store:
    """The store of a path's parts, which begin with protocol and bucket.

    Raises:
        FileNotFoundError: the path is above all buckets.
        BadInputError: see `check_url`.
        StoreError: the store's settings in the environment cannot be used.
    """
    if len(parts) < 2:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "://".join(parts))
    return _store(parts[0].removesuffix(":"), parts[1], os.getpid())


@lru_cache(maxsize=64)
def _store(protocol: str, bucket: str, process: int) -> Store:
    """A connection, which no other process can use: one that was forked has its own."""
    del process
    library = _library(protocol)
    from fsspec.core import url_to_fs

    extra = _EXTRAS.get(protocol)
    used = library.__module__.partition(".")[0]
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is said here, in one line
    silent = (*_classes(_SILENT.get(used, ())), TimeoutError, ConnectionError)
    store = Store(None, bucket, extra, _classes(_RAISED.get(used, ())), silent)
    url = f"{protocol}://{bucket}"
    with store.asking(url):
        options = {"use_listings_cache": False, "skip_instance_cache": True, **_OPTIONS.get(extra or "", {})}
        fs, root = url_to_fs(url, **options)
    if hasattr(fs, "retries"):
        fs.retries = _ATTEMPTS
    return replace(store, fs=fs, root=str(root).rstrip("/"))


def _classes(names: tuple[str, ...]) -> tuple[type[Exception], ...]:
    """The classes of these names; a library's own are there once it is loaded."""
    return tuple(getattr(import_module(module), name) for module, _, name in (one.partition(":") for one in names))


def _code(error: BaseException) -> str | None:
    """The store's own word for an error: `NoSuchBucket`, `AccessDenied`."""
    for one in (error, error.__cause__):
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code") or "") or None
        for name in ("error_code", "code"):
            code = getattr(one, name, None)
            if isinstance(code, str | int):
                return str(code.value if isinstance(code, Enum) else code)
    return None


def _is_forbidden(error: Exception) -> bool:
    """Whether a store that has other errors than PermissionError gives no permission."""
    if getattr(error, "status_code", None) in (401, 403) or getattr(error, "code", None) in (401, 403):
        return True
    return str(error).startswith("Forbidden")  # gcsfs: an OSError of this text alone
