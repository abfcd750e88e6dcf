from dcgan_lib.launch.retired import diagnose  # noqa: F401 - it raises
