import pytest

from scripts.machine.command import Options, read_options
from scripts.machine.errors import UsageError

FLAGS = frozenset({"--debug", "--only-tests"})


@pytest.mark.parametrize(
    ("argv", "flags", "rest"),
    [
        ([], set(), ()),
        (["--debug"], {"--debug"}, ()),
        (["-k", "tour", "--only-tests", "-x"], {"--only-tests"}, ("-k", "tour", "-x")),
        (["-x", "--", "--debug", "--"], set(), ("-x", "--debug", "--")),
    ],
)
def test_our_flags_are_sorted_from_another_programs(
    argv: list[str], flags: set[str], rest: tuple[str, ...]
) -> None:
    assert read_options(argv, FLAGS, takes_rest=True) == Options(frozenset(flags), rest)


@pytest.mark.parametrize("argv", [["--rebuil"], ["now"], ["--debug", "--", "x"], ["--"]])
def test_an_unknown_argument_is_a_mistake_of_use(argv: list[str]) -> None:
    with pytest.raises(UsageError) as refused:
        read_options(argv, FLAGS, takes_rest=False)
    assert refused.value.details["expected"] == "--debug --only-tests"
