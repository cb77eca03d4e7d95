import pytest

from stvg.cli import ExitCode, run
from stvg.errors import InputError


def stop_with(exception):
    def main():
        raise exception

    return main


@pytest.mark.parametrize(
    ("main", "code", "error", "reason"),
    [
        (lambda: ExitCode.DONE, 0, "", "done"),
        (lambda: 3, 3, "", "some items failed"),
        (lambda: ExitCode.CHECK_FAILED, 1, "", "the check failed"),
        (stop_with(InputError("a: expected b,\n got\tc")), 2, "error: a: expected b, got c\n", "always one line"),
        (stop_with(KeyboardInterrupt()), 130, "interrupted\n", "Ctrl-C"),
    ],
)
def test_exit_codes(capsys, main, code, error, reason):
    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == code, reason
    assert capsys.readouterr().err == error, reason


def test_defects_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        run(stop_with(ZeroDivisionError()))
