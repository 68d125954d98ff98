"""What files of single formats say of themselves: AVIF's boxes and frames, levels of PNM, tags of TIFF."""
