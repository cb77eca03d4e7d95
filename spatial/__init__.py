"""Where: detectors, tracks, tubes and the Mutual Matching Network over tubes."""
