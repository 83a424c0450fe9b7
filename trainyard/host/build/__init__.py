"""What is built: merged models, the files of images, their contents as a list."""
