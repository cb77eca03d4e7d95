"""Log answers of a split, so that a killed run resumes.

`.NAME.answers` beside the submission NAME holds one JSON object per line: first the setting that the answers depend on,
then an answer each. A resumed run ends with the same bytes. A line that a killed run left unfinished is dropped, and
so are one that is no answer and all after it. The file is removed once the submission is written.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from stvg.errors import InputError
from stvg.io.files import is_disk_full
from stvg.io.submission import find_problems


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """One query's item of the submission, its sentence and source video, and its problem, "" where there is none."""

    query_id: str
    text: str
    source_id: str
    item: dict[str, Any]
    problem: str = ""


class AnswerLog:
    """The answers found so far, appended to a file one by one; see `answer_log`."""

    def __init__(self, path: Path, file: TextIO, answers: dict[str, LoggedAnswer]) -> None:
        self._path = path
        self._file = file
        self._answers = answers

    def get(self, query_id: str, text: str, source_id: str) -> LoggedAnswer | None:
        """Return the answer to a query, None if there is none to this sentence about this source."""
        found = self._answers.get(query_id)
        return found if found is not None and (found.text, found.source_id) == (text, source_id) else None

    def add(self, answer: LoggedAnswer) -> None:
        """Keep an answer.

        Raises:
            InputError: the disk is full.
        """
        try:
            self._file.write(json.dumps(asdict(answer), ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            if not is_disk_full(error, None):
                raise
            raise InputError(f"{self._path}: expected room for it on the disk, found none left") from error
        self._answers[answer.query_id] = answer


@contextmanager
def answer_log(submission: Path, setting: str) -> Iterator[AnswerLog]:
    """Open the log of the answers of a submission; answers found under another `setting` are dropped.

    The file is removed when the block ends well, and stays when it does not. Only for who holds the submission's lock.
    """
    path = submission.with_name(f".{submission.name}.answers")
    answers, size = _read(path, setting)
    with path.open("r+" if size else "w", encoding="utf-8", newline="\n") as file:
        file.seek(size)
        file.truncate()
        if not size:
            file.write(json.dumps({"setting": setting}) + "\n")
        yield AnswerLog(path, file, answers)
    path.unlink()


def _read(path: Path, setting: str) -> tuple[dict[str, LoggedAnswer], int]:
    """Return the answers under this setting, and the bytes of the file up to the last whole line."""
    if not path.is_file():
        return {}, 0
    answers: dict[str, LoggedAnswer] = {}
    size = 0
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True)):
        try:
            item = json.loads(line) if line.endswith(b"\n") else None
            if number == 0:
                if item != {"setting": setting}:
                    return {}, 0
            else:
                answer = LoggedAnswer(**(item or {}))
                if find_problems({answer.query_id: answer.item}) or not _all_text(answer):
                    break
                answers[answer.query_id] = answer
        except (TypeError, ValueError, RecursionError):
            break
        size += len(line)
    return answers, size


def _all_text(answer: LoggedAnswer) -> bool:
    """Whether all that should be text is text that can be written."""
    try:
        return all(part.encode("utf-8") is not None for part in (answer.text, answer.source_id, answer.problem))
    except (AttributeError, UnicodeEncodeError):
        return False
