"""Features of tubes and of whole videos, one extractor per file behind stvg.interfaces.FeatureExtractor."""
