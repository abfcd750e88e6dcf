from dcgan_lib.launch.retired import compare  # noqa: F401 - it raises
