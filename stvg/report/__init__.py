"""The report of a split: one static page with its scores, and every query with its video, boxes, maps and tubes."""

from stvg.report.entry import ReportEntry, SplitResults
from stvg.report.page import write_report

__all__ = ["ReportEntry", "SplitResults", "write_report"]
