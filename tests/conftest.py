"""What several test files share."""

import pytest

from tests import tiny_run


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A finished tiny run; a test that alters a file of it puts it back."""
    return tiny_run.run(tmp_path_factory.mktemp("small"))
