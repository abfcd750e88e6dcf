from dcgan_lib.launch.retired import evaluate  # noqa: F401 - it raises
