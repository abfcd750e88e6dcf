"""The imports of version 0.4: what each is told to write instead works."""

import pytest

from dcgan_lib.launch.retired import NEW


@pytest.mark.parametrize("module", NEW)
def test_the_new_import_works(module):
    exec(NEW[module][1], {})
