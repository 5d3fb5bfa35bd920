"""What other programs answer, read: Compose's version, apt's sources and choices."""

import pytest

from scripts.machine.compose import read_version
from scripts.machine.debian import find_mirror, package_files


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ('{"version":"2.26.1-4"}', "2.26.1-4"),
        ('{"version":"v2.40.3"}', "2.40.3"),
        ('{"version":"v5.0.1"}', "5.0.1"),
        ('{"version":"1.29.2"}', None),
    ],
)
def test_compose_is_of_version_2_or_later(answer: str, version: str | None) -> None:
    assert read_version(answer) == version


@pytest.mark.parametrize(
    ("sources", "mirror"),
    [
        ("deb http://mirror.example/debian trixie main", "http://mirror.example/debian"),
        (
            "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ trixie main",
            "http://mirror.example/debian/",
        ),
        ("Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie\n", "http://mirror.example/debian"),
        ("URIs: mirror+file:///etc/apt/mirrors/debian.list\n", "mirror+file:///etc/apt/mirrors/debian.list"),
        ("URIs: http://mirror.example/debian-security\n", None),
        ("deb http://mirror.example/ubuntu noble main", None),
        ("# deb http://mirror.example/debian trixie main", None),
        ("deb-src http://mirror.example/debian trixie main", None),
        ("", None),
    ],
)
def test_the_debian_mirror_is_found_in_either_format(sources: str, mirror: str | None) -> None:
    assert find_mirror(["deb http://other.example/apt stable main", sources]) == mirror


def test_the_files_of_what_apt_would_install_are_named_as_in_its_cache() -> None:
    simulation = (
        "NOTE: This is only a simulation!\n"
        "Inst libc6 (2.41-12 Debian:13.1/stable [amd64])\n"
        "Inst nftables (1:1.1.3-1 Debian:13.1/stable [amd64]) []\n"
        "Inst netbase (6.5 Debian:13.1/stable [all])\n"
        "Conf libc6 (2.41-12 Debian:13.1/stable [amd64])\n"
    )
    assert package_files(simulation) == [
        "libc6_2.41-12_amd64.deb",
        "nftables_1%3a1.1.3-1_amd64.deb",
        "netbase_6.5_all.deb",
    ]
