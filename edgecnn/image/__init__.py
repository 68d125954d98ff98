"""What the bytes of one image say before it is decoded, and the resize that every image goes through."""
