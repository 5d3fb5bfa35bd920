from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.machine.dotenv import read_settings, set_setting, settings, with_setting

USERS = "# mine\nLAB_NET=10.213.9\n\nBASE_IMAGE=old:1 # see the wiki\nPROGRAM='./my server.py'\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NAME=a", "a"),
        ("NAME = a ", "a"),
        ("export NAME=a", "a"),
        ("NAME=a # why", "a"),
        ("NAME=a#b", "a#b"),
        ("NAME='a # b'", "a # b"),
        ('NAME="a" # why', "a"),
        ("NAME=", ""),
        ("NAME=# nothing", ""),
        ("NAME=a=b", "a=b"),
        ("NAME=a\r\n", "a"),
        ("NAME=a\nNAME=b", "b"),
    ],
)
def test_a_value_is_read_as_compose_reads_it(text: str, value: str) -> None:
    assert read_settings(text) == {"NAME": value}


@pytest.mark.parametrize("text", ["", "# NAME=a", "NAME", "1NAME=a"])
def test_what_sets_nothing_sets_nothing(text: str) -> None:
    assert read_settings(text) == {}


def test_only_our_line_changes() -> None:
    assert with_setting(USERS, "BASE_IMAGE", "new:2") == USERS.replace("old:1 # see the wiki", "new:2")


def test_a_line_that_is_missing_goes_to_the_end() -> None:
    assert with_setting("LAB_NET=10.213.9", "BASE_IMAGE", "new:2") == "LAB_NET=10.213.9\nBASE_IMAGE=new:2\n"


def test_of_two_lines_of_ours_one_is_left() -> None:
    assert (
        with_setting("BASE_IMAGE=a\nX=1\nexport BASE_IMAGE=b\n", "BASE_IMAGE", "c") == "BASE_IMAGE=c\nX=1\n"
    )


@given(st.text())
def test_whatever_stood_there_the_setting_is_read_back_and_others_stay(text: str) -> None:
    after = with_setting(text, "BASE_IMAGE", "socketlab-base:trixie")
    assert read_settings(after) == {**read_settings(text), "BASE_IMAGE": "socketlab-base:trixie"}
    assert with_setting(after, "BASE_IMAGE", "socketlab-base:trixie") == after


def test_the_file_is_made_and_kept(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert settings(file) == {}
    set_setting("BASE_IMAGE", "a:1", file)
    assert file.read_bytes() == b"BASE_IMAGE=a:1\n"
    file.write_bytes(b"CITY=M\xe1laga\r\nBASE_IMAGE=b:1\r\n")
    set_setting("BASE_IMAGE", "a:1", file)
    assert file.read_bytes() == b"CITY=M\xe1laga\r\nBASE_IMAGE=a:1\n"
