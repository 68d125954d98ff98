"""Image headers, EXIF orientation, and area resizing."""
