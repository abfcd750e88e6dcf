from dcgan_lib.launch.retired import sweep  # noqa: F401 - it raises
