"""Guard the loading of published networks: no long wait for a hub, finite weights."""

import os
import socket
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from stvg.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

_WAIT_S = 3.0
_NAMED = 3


def hub_options(name: str | Path) -> dict[str, Any]:
    """Return the options of `from_pretrained` for a folder or hub name.

    Folders, and hub names while no hub answers, are read from this machine alone (a hub name from its cache): the hub's
    client would try again and again for more than a minute.
    """
    return {"local_files_only": Path(name).is_dir() or not hub_answers()}


@lru_cache(maxsize=1)
def hub_answers() -> bool:
    """Tell, once in a process, whether the hub takes a connection within three seconds.

    Where a proxy stands between, or the hub is told to be offline, its client knows better.
    """
    if getproxies().keys() & {"https", "all"} or os.environ.get("HF_HUB_OFFLINE"):
        return True
    from huggingface_hub.constants import ENDPOINT

    address = urlsplit(os.environ.get("HF_ENDPOINT") or ENDPOINT)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        with socket.create_connection((address.hostname or "", port), timeout=_WAIT_S):
            return True
    except OSError:
        return False


def refuse_odd_weights(weights: "Mapping[str, Tensor]", source: str) -> None:
    """Refuse weights that are no numbers; `source` begins the error.

    Raises:
        InputError: NaN or infinity; some of the weights that hold it are named.
    """
    bad = [name for name, value in weights.items() if not bool(value.isfinite().all())]
    if bad:
        raise InputError(f"{source}: expected finite weights, found NaN or infinity in {', '.join(bad[:_NAMED])}")
