"""The report of a split: one static page with its tables, its queries and overlay videos of some of them."""

from stvg.report.page import ReportEntry, write_report

__all__ = ["ReportEntry", "write_report"]
