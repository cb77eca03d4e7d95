"""Files that would grow beyond their size are refused before they are built."""

import io
import pickle
import zipfile

import pytest

from stvg.errors import InputError
from stvg.pickles.plain_pickle import read_pickle
from stvg.pickles.torch_file import read_torch_file

DOUBLED = b"".join(b"]q%c(h%ch%ce" % (k + 1, k, k) for k in range(1, 60))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x02})" + b"\x85" * 100_000 + b"K\x01s.", "values more than 64 deep"),
        (b"\x80\x02" + b"(" * 100_000 + b".", "values more than 64 deep"),
        (b"\x80\x02]q\x00h\x00a.", "a value that holds itself"),
        (b"\x80\x02]q\x01" + DOUBLED + b".", "times its size"),
        (pickle.dumps({(k * (2**61 - 1),): 1 for k in range(2000)}), "more than 1000 keys other than text"),
        (pickle.dumps({0: {1, 2}}, 4), "the opcode EMPTY_SET"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer, not the file: run git lfs pull"),
    ],
)
def test_pickles_that_would_grow(tmp_path, data, message):
    path = tmp_path / "x.pkl"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_pickle(path)


def test_compressed_members_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", io.BytesIO(b"\x80\x02}.").getvalue())
    with pytest.raises(InputError, match=r"refused a compressed member .archive/data\.pkl"):
        read_torch_file(tmp_path / "x.pth")
