from dcgan_lib.launch.retired import tracking  # noqa: F401 - it raises
