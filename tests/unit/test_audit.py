"""What workers install may be passed on."""

from deploy.audit import SHIPPED, licence_of, names, refused


def test_every_shipped_package_has_a_licence_that_is_allowed() -> None:
    """A new dependency under other terms is noticed."""
    packages = [name for file in SHIPPED for name in names(file)]
    assert {} == refused(packages)
    assert 60 <= sum(licence_of(name) is not None for name in set(packages))


def test_licences_are_read_of_what_is_installed() -> None:
    """This project's own is read; of what is not installed nothing is known."""
    assert "Apache-2.0" in f"{licence_of('marketpulse')}"
    assert licence_of("no-such-package") is None
