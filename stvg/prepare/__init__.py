"""Prepare many videos; keep them in HDF5 stores and in memory."""
