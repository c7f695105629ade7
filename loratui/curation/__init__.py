"""The dataset doctor: looks at a folder of pictures, proposes, and never changes a file."""

from loratui.curation.report import Finding, Outcome, PictureReport, Report, outcome
from loratui.curation.scan import Cancelled, ScanSettings, scan

__all__ = ["Cancelled", "Finding", "Outcome", "PictureReport", "Report", "ScanSettings", "outcome", "scan"]
