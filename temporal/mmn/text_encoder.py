"""Tokenizer, text backbone and query heads of the Mutual Matching Network.

The backbone (tokens to one mean vector per sentence) and the heads are separate modules, so that the mean vectors can
be computed once while the backbone is frozen.

Source: DistilBert of MCG-NJU/MMN (mmn/modeling/mmn/text_encoder.py).
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stvg.compute.matmul import use_onednn_linear
from stvg.compute.pretrained import hub_options, refuse_odd_weights
from stvg.errors import InputError
from stvg.io.files import refuse_pointer
from stvg.io.packages import PREFIX, package_path

logger = logging.getLogger(__name__)

DEFAULT_MAX_TOKENS = 512
"""Tokens that a sentence is cut to where its encoder sets no lower limit."""
_HIGHEST, _MOST_LAYERS, _WIDEST = 1e9, 1000, 1 << 16
"""Numbers of an encoder's config beyond these are mistakes, and would fill memory."""
_SHOWN_WORDS, _SHOWN_LETTERS = 10, 100
"""Of a sentence in a warning."""
SHORTEST_WORD = 3
"""Letters of the shortest word that paraphrases use."""


@dataclass(frozen=True, slots=True, eq=False)
class TokenBatch:
    """Sentences as tokens: `ids` (Q, W) int64 and `mask` (Q, W) bool, false on padding."""

    ids: Tensor
    mask: Tensor

    def to(self, device: torch.device | str) -> "TokenBatch":
        """Return the batch on `device`."""
        return TokenBatch(self.ids.to(device), self.mask.to(device))


@dataclass(frozen=True, slots=True, eq=False)
class QueryEmbeddings:
    """Sentences in the joint space: `contrastive` and `iou`, each (Q, J)."""

    contrastive: Tensor
    iou: Tensor


class TextBackbone(nn.Module):
    """Token ids to one vector per sentence: the mean of the encoder's outputs over all true tokens.

    [CLS] and [SEP] count as tokens. `encoder` is any module that answers encoder(input_ids=, attention_mask=) with an
    object that has `last_hidden_state` (Q, W, H).

    Attributes:
        hidden_size: H, the width of a sentence vector.
    """

    def __init__(self, encoder: nn.Module, hidden_size: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.hidden_size = hidden_size

    def forward(self, tokens: TokenBatch) -> Tensor:
        """Return the mean token vectors (Q, H)."""
        states: Tensor = self.encoder(input_ids=tokens.ids, attention_mask=tokens.mask.long()).last_hidden_state
        weights = tokens.mask.to(states.dtype)
        return torch.einsum("qwh,qw->qh", states, weights) / weights.sum(dim=1, keepdim=True)


class QueryHeads(nn.Module):
    """LayerNorm and two linear heads: sentence vectors (Q, H) to the joint space of either branch (Q, J)."""

    def __init__(self, text_size: int, joint_size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(text_size)
        self.contrastive = nn.Linear(text_size, joint_size)
        self.iou = nn.Linear(text_size, joint_size)

    def forward(self, sentences: Tensor) -> QueryEmbeddings:
        """Return both embeddings of `sentences` (Q, H)."""
        normed = self.norm(sentences)
        return QueryEmbeddings(contrastive=self.contrastive(normed), iou=self.iou(normed))


class TextTokenizer:
    """Sentences to padded token batches, with a warning for sentences that the encoder cannot read.

    `tokenizer` is a transformers tokenizer; longer sentences are cut to `max_tokens`.
    """

    def __init__(self, tokenizer: Any, max_tokens: int = DEFAULT_MAX_TOKENS) -> None:
        self._tokenizer = tokenizer
        self.max_tokens = max_tokens

    def tokenize(self, sentences: Sequence[str]) -> TokenBatch:
        """Return the tokens of `sentences`, Q >= 1, padded to the longest.

        Raises:
            InputError: there is no sentence, or the tokenizer fails. An empty sentence is only its special tokens: the
                readers of queries refuse it, the control without captions asks with it.
        """
        if not sentences:
            raise InputError("queries: expected at least one sentence, got none")
        try:
            encoded = self._tokenizer(
                list(sentences), padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
            )
            tokens = TokenBatch(encoded["input_ids"], encoded["attention_mask"].bool())
        except Exception as error:  # a tokenizer of whatever settings its folder names fails in any way
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"text encoder: expected a tokenizer that reads sentences, got: {reason}") from error
        self._warn_of_unknown(sentences, tokens)
        self._warn_of_cut(sentences, tokens)
        return tokens

    def words(self) -> list[str]:
        """Return the words of three letters and more that are tokens of their own, in the order of their numbers."""
        tokens = sorted(self._tokenizer.get_vocab().items(), key=lambda item: item[1])
        words = (self._tokenizer.convert_tokens_to_string([token]).strip() for token, _ in tokens)
        return list(dict.fromkeys(word for word in words if word.isalpha() and len(word) >= SHORTEST_WORD))

    def _warn_of_unknown(self, sentences: Sequence[str], tokens: TokenBatch) -> None:
        """Log each sentence with words that come out as the unknown token, and which they are."""
        unknown_id = self._tokenizer.unk_token_id
        if unknown_id is None:
            return
        unread = tokens.ids.eq(unknown_id) & tokens.mask
        for row in unread.any(dim=1).nonzero()[:, 0].tolist():
            words = sentences[row].split()
            unknown = [word for word in words if unknown_id in self._ids(word)]
            known = "knows none of its words" if len(unknown) == len(words) else "does not know all of its words"
            shown = ", ".join(map(repr, unknown[:_SHOWN_WORDS])) + (", ..." if unknown[_SHOWN_WORDS:] else "")
            logger.warning("query %r: the text encoder %s: %s", _short(sentences[row]), known, shown)

    def _warn_of_cut(self, sentences: Sequence[str], tokens: TokenBatch) -> None:
        """Log each sentence whose end is not read."""
        for row in (tokens.mask.sum(dim=1) >= self.max_tokens).nonzero()[:, 0].tolist():
            count = len(self._ids(sentences[row], special=True))
            if count > self.max_tokens:
                logger.warning(
                    "query %r: the text encoder reads %d tokens, the sentence has %d: its end does not count",
                    _short(sentences[row]),
                    self.max_tokens,
                    count,
                )

    def _ids(self, text: str, special: bool = False) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=special, truncation=False, verbose=False)["input_ids"]
        return ids


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= _SHOWN_LETTERS else f"{sentence[: _SHOWN_LETTERS - 3]}..."


def resolve_text_model(name: str) -> str | Path:
    """Return where transformers finds `name`: a folder, or the hub name itself.

    "package:NAME/SUBFOLDER" is a folder inside an installed Python package, which is found without importing it.

    Raises:
        InputError: no such package or folder.
    """
    if name.startswith(PREFIX):
        folder = package_path(name, "text encoder")
    elif Path(name).is_dir() or name.startswith((".", "/", "~")):
        folder = Path(name).expanduser()
    else:
        return name
    if not (folder / "config.json").is_file():
        raise InputError(f"text encoder {name}: expected a folder with config.json, found none at {folder}")
    return folder


def load_text_backbone(name: str) -> TextBackbone:
    """Return the pretrained encoder `name` (see resolve_text_model) in float32, without a pooler.

    Folders and packages are read without any network access.

    Raises:
        InputError: it cannot be found or read, holds NaN or infinity, or has no single hidden size.
    """
    from transformers import AutoModel

    _read_config(name)
    encoder = _from_pretrained(AutoModel, name, dtype=torch.float32)
    refuse_odd_weights(encoder.state_dict(), f"text encoder {name}")
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    hidden_size = getattr(encoder.config, "hidden_size", None)
    if not isinstance(hidden_size, int):
        raise InputError(f"text encoder {name}: expected an encoder with hidden_size, got {type(encoder).__name__}")
    use_onednn_linear(encoder)
    return TextBackbone(encoder, hidden_size)


def load_text_tokenizer(name: str) -> TextTokenizer:
    """Return the tokenizer of the encoder `name` (see resolve_text_model).

    Raises:
        InputError: it cannot be found or read, or has more tokens than its encoder.
    """
    from transformers import AutoTokenizer

    config, tokenizer = _read_config(name), _from_pretrained(AutoTokenizer, name)
    known = getattr(config, "vocab_size", None)
    highest = max(tokenizer.get_vocab().values(), default=0)
    if isinstance(known, int) and highest >= known:
        raise InputError(f"text encoder {name}: expected a tokenizer of {known} tokens, as it has, got {highest + 1}")
    positions = getattr(config, "max_position_embeddings", DEFAULT_MAX_TOKENS)
    longest = min(tokenizer.model_max_length, positions, DEFAULT_MAX_TOKENS)
    if longest < 1:
        raise InputError(f"text encoder {name}: expected sentences of at least one token, got {longest} at most")
    return TextTokenizer(tokenizer, int(longest))


def _read_config(name: str) -> Any:
    """Return an encoder's config, whose numbers are finite and whose sizes no more than any encoder has.

    Raises:
        InputError: it cannot be found or read, or has other numbers.
    """
    from transformers import AutoConfig

    config = _from_pretrained(AutoConfig, name)
    limits = {"num_hidden_layers": _MOST_LAYERS, "hidden_size": _WIDEST}
    sizes = {key: getattr(config, key, None) for key in limits}
    for key, value in {**config.to_dict(), **sizes}.items():
        highest = 1.0 if "dropout" in key else limits.get(key, _HIGHEST)
        if isinstance(value, (int, float)) and not -_HIGHEST <= value <= highest:
            raise InputError(f"text encoder {name}: config: {key}: expected a number up to {highest:g}, got {value!r}")
    return config


def _from_pretrained(auto_class: Any, name: str, **options: Any) -> Any:
    """Call `auto_class.from_pretrained`, offline for folders; failures become one line."""
    where = resolve_text_model(name)
    for path in where.glob("*.safetensors") if isinstance(where, Path) else ():
        refuse_pointer(path)
    try:
        with _without_progress_bar() if isinstance(where, Path) else nullcontext():
            return auto_class.from_pretrained(where, **hub_options(where), **options)
    except Exception as error:  # transformers, tokenizers and their checks of configs promise no set of exceptions
        reason = " ".join(str(error).split())
        raise InputError(f"text encoder {name}: expected a transformers encoder, got: {reason[:300]}") from error


@contextmanager
def _without_progress_bar() -> Iterator[None]:
    """Keep transformers from drawing a bar while it reads a folder, which takes no time; errors stay one line."""
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()
