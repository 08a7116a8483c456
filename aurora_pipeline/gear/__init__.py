"""Outside things, one library a file: fal, ffmpeg, probing, voices, images, faces, Parquet, the media store."""
