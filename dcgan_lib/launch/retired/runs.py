from dcgan_lib.launch.retired import runs  # noqa: F401 - it raises
