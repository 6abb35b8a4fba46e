"""What lies on a disk: files written whole, archives, pictures, annotations and label maps."""
