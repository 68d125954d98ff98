"""What files of single formats say of themselves: AVIF's boxes and frames, segments of JPEG, chunks of PNG and
WebP, levels of PNM, tags of TIFF."""
