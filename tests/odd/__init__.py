"""Methods unlike pix2pix, one to a file, that the core must carry without knowing of them."""
