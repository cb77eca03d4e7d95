"""Preparation of many videos: decoding, tubes, features, storage."""
