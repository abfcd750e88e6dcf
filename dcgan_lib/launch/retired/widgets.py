from dcgan_lib.launch.retired import widgets  # noqa: F401 - it raises
