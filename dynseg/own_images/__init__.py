"""`dynseg segment`: a user's own images, from their files to the outputs."""
