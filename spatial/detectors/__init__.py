"""Person detectors, one file each behind stvg.interfaces.Detector."""
