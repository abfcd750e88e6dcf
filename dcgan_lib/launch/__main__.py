from dcgan_lib.launch.retired import launch  # noqa: F401 - it raises
