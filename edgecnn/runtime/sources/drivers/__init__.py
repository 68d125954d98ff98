"""How frames are read from each kind of camera or stream, one file each."""
