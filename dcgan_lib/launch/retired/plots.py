from dcgan_lib.launch.retired import plots  # noqa: F401 - it raises
