"""What a run's numbers depend on besides its settings."""

import subprocess

from dcgan_lib.records.environment import git_state


def test_the_commit_is_told_and_whether_the_library_differs_from_it(tmp_path):
    package = tmp_path / "dcgan_lib"
    package.mkdir()
    assert git_state(package) == {}, "no checkout"
    (package / "code.py").write_text("1")
    git = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert git_state(package) == {"git_commit": head, "git_dirty": False}
    (package / "code.py").write_text("2")
    assert git_state(package)["git_dirty"]
    installed = tmp_path / "site-packages/dcgan_lib"
    installed.mkdir(parents=True)
    assert git_state(installed) == {}
