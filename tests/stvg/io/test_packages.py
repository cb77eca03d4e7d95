from pathlib import Path

import pytest

import stvg
from stvg.errors import InputError
from stvg.io.packages import package_path


def test_a_name_is_found_inside_an_installed_package():
    assert package_path("package:stvg/weights/film.yaml", "recipe") == Path(stvg.__file__).parent / "weights/film.yaml"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("package:no_such_thing/a", "expected an installed package, found no 'no_such_thing'"),
        ("package:os;x/a", "expected an installed package"),
        ("package:stvg/../../etc/passwd", "expected a path inside the package"),
        ("package:stvg//etc/passwd", "expected a path inside the package"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(name, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        package_path(name, "checkpoint")
