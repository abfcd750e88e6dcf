from dcgan_lib.launch.retired import dashboard  # noqa: F401 - it raises
