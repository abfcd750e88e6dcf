"""The command `dcgan`, or `python -m dcgan_lib`: trains, and tells of what was trained."""

import argparse
import importlib
import sys

#: Command: the module that has its `add_arguments` and `main`, imported when it is asked for, and what it does.
COMMANDS = {
    "train": ("launch.notebook", "train one run: a file of settings, such as configs/cpu.yaml"),
    "sweep": ("launch.sweep", "train many runs: a sweep's file, such as configs/sweeps/epochs.yaml"),
    "sample": ("sharing.drawing", "draw images: files for other programs, one picture, or a walk from face to face"),
    "runs": ("records.table", "list runs, and the settings in which they differ"),
    "evaluate": ("quality.evaluate", "how good a run's faces are, in numbers"),
    "diagnose": ("quality.diagnosis", "what goes wrong in a run, by name, and what to try"),
    "export": ("sharing.export", "a run for TensorBoard, as tables, for trackers; its generator as ONNX, for the Hub"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit code: 1, and one line on stderr, where what was asked for is not possible."""
    arguments = sys.argv[1:] if arguments is None else arguments
    lines = "\n".join(f"  {name:<10} {about}" for name, (_, about) in COMMANDS.items())
    top = argparse.ArgumentParser(
        prog="dcgan",
        usage="dcgan COMMAND …    dcgan COMMAND --help for a command's own options",
        description=f"commands:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("command", choices=COMMANDS, help=argparse.SUPPRESS)
    if not arguments:
        top.print_help()
        return 0
    name, about = COMMANDS[command := top.parse_args(arguments[:1]).command]
    module = importlib.import_module(f"dcgan_lib.{name}")
    parser = argparse.ArgumentParser(prog=f"dcgan {command}", description=about)
    module.add_arguments(parser)
    try:
        return module.main(parser.parse_args(arguments[1:]))
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        lines = ("".join(c if c.isprintable() else " " for c in line[:1000]) for line in _told(error).splitlines())
        print(*lines, sep="\n", file=sys.stderr)  # foreign text may hold what steers a terminal, or be long
        return 1
    except KeyboardInterrupt as stopped:
        print(str(stopped) or "stopped", file=sys.stderr)
        return 130


def _told(error: Exception) -> str:
    """What an error says, without the system's own number and with what to do."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror.lower()}; give another path" if error.filename else error.strerror


if __name__ == "__main__":
    sys.exit(main())
